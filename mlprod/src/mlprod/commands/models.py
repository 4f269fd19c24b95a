"""Verbs of models: promote, roll back, list and fetch versions."""

import argparse
import os
import sys
import threading

from ..display.plain_text import display
from .verb import ACTOR, REASON, option, verb

FOLLOWED_URL = option(
    "--url", default="", help="wait until the service at this address serves the version"
)
SKIP_LOAD_CHECK = option(
    "--skip-load-check", action="store_true", help="do not load the model with this code first"
)


@verb(
    "promote",
    REASON,
    ACTOR,
    FOLLOWED_URL,
    SKIP_LOAD_CHECK,
    option("--version", type=int, help="this version instead of the challenger"),
    option(
        "--environment",
        choices=["local", "staging", "production"],
        help="staging requires the pilot stage, production the production stage; default: "
        "ML_ENVIRONMENT",
    ),
)
def promote(args: argparse.Namespace) -> int:
    """Make the challenger the champion."""
    from ..identity import whoami
    from ..ops.stage_requirements import REQUIRED_STAGE, NotReadyError, require_stage
    from ..training.promotion import promote as move
    from ..training.registry import Registry, Version

    _require_response(args.url)
    settings = args.project.settings()
    registry, strictest = Registry(settings), list(REQUIRED_STAGE)
    named = [args.environment or "local", settings.environment, registry.environment()]
    environment = max(named, key=strictest.index)
    # An option must not weaken the environment of a registry, nor avoid the approval of a workflow.
    if args.environment and args.environment != environment:
        raise NotReadyError(
            f"{environment} follows this registry's champion, but --environment "
            f"{args.environment} was given; nothing was promoted. "
            f"Works: --environment {environment} (make: ENVIRONMENT={environment})"
        )

    def ready(version: Version) -> None:
        require_stage(args.project.seam_if_readable(), settings, registry, environment, version)
        registry.mark_environment(environment)

    before, after = move(
        registry,
        args.actor or whoami(),
        args.reason,
        args.version,
        seam=None if args.skip_load_check else args.project.seam(),
        settings=settings,
        ready=ready,
    )
    print(
        display(
            f"champion: version {before.number if before else 'none'} -> {after.number} "
            f"({after.kind})"
        )
    )
    _wait_for(args.url, after.number)
    return 0


@verb(
    "rollback",
    REASON,
    ACTOR,
    FOLLOWED_URL,
    SKIP_LOAD_CHECK,
    option("--version", type=int, help="this earlier champion instead of the last one"),
    option(
        "--undo",
        action="store_true",
        help="end a rollback made on this machine while the registry was down",
    ),
)
def rollback(args: argparse.Namespace) -> int:
    """Make the previous champion the champion again; works without the registry."""
    from ..identity import whoami
    from ..training.local_rollback import roll_back_locally, undo_local_rollback
    from ..training.promotion import rollback as move
    from ..training.reason import require_reason
    from ..training.registry import Registry, RegistryError

    settings, who = args.project.settings(), args.actor or whoami()
    require_reason(who, args.reason)
    if args.undo:
        ended = undo_local_rollback(settings.models)
        print(f"services that read {settings.models} serve version {ended.left.version} again")
        return 0
    try:
        registry = Registry.open_existing(settings)
        seam = None if args.skip_load_check else args.project.seam()
        before, after = move(registry, who, args.reason, args.version, seam=seam, settings=settings)
    except RegistryError as error:
        if error.refused:
            raise
        done = roll_back_locally(settings.models, who, args.reason, args.version)
        print(display(f"the registry is unavailable: {error}"))
        print(
            f"services that read {settings.models} change from version {done.left.version} to "
            f"{done.to.version} within seconds"
        )
        print(
            "NOT reached: replicas with another MODEL_DIR; run this command there too "
            "(docs/cluster.md)"
        )
        print(
            f"The registry still names version {done.left.version}. Once it is available: "
            f'make rollback REASON="..."'
        )
        _wait_for(args.url, done.to.version)
        return 0
    print(display(f"champion: version {before.number} -> {after.number} ({after.kind})"))
    _wait_for(args.url, after.number)
    return 0


def _require_response(url: str) -> None:
    """Check that the service at `url`, if one is given, accepts the key, before anything moves.

    Raises DrillError if it refuses the key.
    """
    if url:
        from ..ops.drills import DrilledService

        key = os.environ.get("ML_SERVICE_KEY", "")
        DrilledService(url.rstrip("/"), key).require_accepted_key()


def _wait_for(url: str, number: int) -> None:
    """Wait until the service at `url`, if one is given, serves the version.

    Raises DrillError if it does not.
    """
    if url:
        from ..ops.drills import DrilledService

        service = DrilledService(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
        print(f"waiting until {url} serves version {number}", file=sys.stderr, flush=True)
        what = (
            f"the champion, version {number} by now (does the follower run, and does it reach the "
            f"registry?)"
        )
        seconds = service.wait_for(lambda facts: facts["model_version"] == str(number), what)
        print(f"{url} serves version {number} after {seconds:.1f} s")


@verb("list-versions")
def list_versions(args: argparse.Namespace) -> int:
    """List the registered versions, which one serves, and each change of it."""
    from ..training.history import read_events
    from ..training.registry import CHALLENGER, CHAMPION, Registry

    registry = Registry(args.project.settings())
    result = registry.versions()
    names = {
        version.number: alias
        for alias in (CHALLENGER, CHAMPION)
        if (version := registry.get_by_alias(alias))
    }
    for version in result:
        alias = names.get(version.number, "")
        print(
            display(
                f"version {version.number:3}  {version.kind:8}  {version.digest[:12]:12}  "
                f"{alias}".rstrip()
            )
        )
        for message in filter(None, [version.rolled_back, *version.problems]):
            print(f"             {message}")
    events, unreadable = read_events(registry.model_tags())
    for event in events if result else ():
        moved = f"{event['action']} {event['before'] or '-'} -> {event['version']}"
        print(display(f"{event['at'][:19]}  {moved}  {event['who']}: {event['why']}"))
    for name, text in unreadable.items():
        print(
            display(f"the tag {name} of the model is not an event and is left out: {text[:80]!r}")
        )
    if not result:
        print("no version is registered yet; the next step is make train")
    return 0


@verb(
    "fetch-model",
    option("--follow", action="store_true", help="keep following the champion"),
    option("--follow-parent", action="store_true", help="follow until standard input closes"),
)
def fetch_model(args: argparse.Namespace) -> int:
    """Copy the champion's bundle into MODEL_DIR."""
    settings, stop = args.project.settings(), threading.Event()
    # The embedded database belongs to this machine alone, so its tables are created here.
    if args.follow_parent and not settings.database_url:
        from ..ops.migrate import migrate as make_tables

        make_tables(settings.records_url)
    from ..training.registry import Registry
    from ..training.sync import follow
    from ..training.sync import sync as once

    if args.follow_parent:
        # The pipe closes when the parent ends, even by kill -9.
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    if args.follow or args.follow_parent:
        follow(settings, stop)
        return 0
    print(once(Registry(settings), settings.models) or "MODEL_DIR already holds the champion")
    return 0


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()
