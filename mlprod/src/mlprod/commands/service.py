"""Verbs of those who run the service."""

import argparse
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ops.drills import Service
    from ..records.store import Store
    from ..settings import Settings

PROGRESS_SECONDS = 5.0  # between two lines about work that takes long


def serve(args: argparse.Namespace) -> int:
    """answer at http://127.0.0.1:8000, following the champion; --no-follow reads MODEL_DIR only"""
    from ..serving.server import serve as run

    run(args.project, args.project.settings(), follower=not args.no_follow)
    return 0


def migrate(args: argparse.Namespace) -> int:
    """bring the database of records to this code's tables; run before a new version of the service"""
    from ..ops.migrate import migrate as run

    mine = run(args.project.settings().records_url)
    print("the database of records has every table" if mine else "the database is of newer code: it stays as it is")
    return 0


def mode(args: argparse.Namespace) -> int:
    """what decisions are for: shadow (the stop), assist or automate, with --why; every replica follows in seconds"""
    from ..identity import whoami
    from ..ops.mode_switch import modes_here, open_store, read_mode, switch
    from ..plain_text import display
    from ..records.errors import StoreAway
    from ..records.mode import Mode, rank

    settings = args.project.settings()
    if args.mode and not args.why.strip():
        raise SystemExit('a switch needs its reason, for the record: --why "complaints since noon" (make: WHY="...")')
    now: Mode | None = None
    away: StoreAway | None = None
    if args.mode:
        done = switch(settings, args.mode, args.who or whoami(), args.why)
        if done.holds is None:
            print("\n".join(map(display, done.reached)))
            return 0 if done.effective else 1
        now = done.holds
    else:
        try:
            now = read_mode(settings, open_store(settings))
        except StoreAway as error:
            away = error
    if now and now.at:
        print(display(f"{now.mode}, since {now.at:%Y-%m-%d %H:%M} by {now.who}: {now.why}"))
    elif not away:
        print(f"{settings.first_mode}{' (ML_MODE)' if settings.environment == 'local' else ''}, never switched")
    for item in modes_here(settings):
        if away or rank(item.mode) < rank(now.mode if now else settings.first_mode):
            print(display(f"on this machine {item.mode} holds, through {item.who}: {item.why}"))
    if away:
        raise away
    return 0


def forget(args: argparse.Namespace) -> int:
    """delete what is recorded of the time --before a day, in pieces: predictions, outcomes, feedback"""

    shown = time.monotonic()

    def progress(gone: dict[str, int]) -> None:
        nonlocal shown
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            print(f"{sum(gone.values()):,} rows deleted so far", file=sys.stderr, flush=True)

    gone = records(args.project.settings()).forget(datetime.combine(args.before, datetime.min.time()), progress)
    print("deleted: " + ", ".join(f"{number:,} {name}" for name, number in gone.items()))
    return 0


def records(settings: "Settings") -> "Store":
    """The database of records. The embedded one belongs to this machine alone, so its tables are made if need be."""
    from ..ops.migrate import migrate as make_tables
    from ..records.database import LONG_WAIT
    from ..records.store import Store

    if not settings.database_url:
        make_tables(settings.records_url)
    return Store(settings.records_url, LONG_WAIT)


def key(args: argparse.Namespace) -> int:
    """make a key for a caller, shown once: --name checkout --role predict; ML_KEYS_FILE or keys.json gets its hash"""
    from ..serving.api_keys import add_key

    path = args.project.settings().keys_file or Path("keys.json")
    print(add_key(path, args.name, args.role, args.until))
    print(f"{path} holds its hash; the key itself is kept nowhere", file=sys.stderr)
    return 0


def smoke(args: argparse.Namespace) -> int:
    """try a running service with a row of the data: score, reasons, outcome, feedback; --url http://127.0.0.1:8000"""
    from ..ops.drills import smoke as run
    from ..training.evidence_store import digests
    from .evidence import tried

    settings, seam = args.project.settings(), args.project.seam()
    about, service = digests(settings, seam), _service(args.url)
    failed = ["served-end-to-end", "feedback-works"]
    return tried(settings, about, failed, lambda: run(service, seam, about))


def stop_drill(args: argparse.Namespace) -> int:
    """stop a running service through the database and ML_MODE_FILE, if set; time it, and let it go on as before"""
    from ..identity import whoami
    from ..ops.drills import stop_drill as run
    from ..training.evidence_store import digests
    from .evidence import tried

    settings, service = args.project.settings(), _service(args.url)
    about, store = digests(settings), records(settings)
    return tried(settings, about, ["stop-drilled"], lambda: run(service, store, whoami(), about, settings.mode_file))


def rollback_drill(args: argparse.Namespace) -> int:
    """roll back until the version before answers, time it, and promote again"""
    from ..identity import whoami
    from ..ops.drills import rollback_drill as run
    from ..ops.drills import spared
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import tried

    settings = args.project.settings()
    about, registry = digests(settings), Registry(settings)
    if args.unattended and (why := spared(registry, about)):
        print(f"nothing was moved: {why}")
        return 0
    service = _service(args.url)
    return tried(settings, about, ["rollback-drilled"], lambda: run(service, registry, whoami(), about))


def alert_drill(args: argparse.Namespace) -> int:
    """a test alert for each outcome through a running Alertmanager: who is reached?; --url http://127.0.0.1:9093"""
    from ..governance.ownership import read_ownership
    from ..ops.alert_drill import Alertmanager, drill
    from ..training.evidence_store import digests
    from .evidence import keep

    settings = args.project.settings()
    ownership = read_ownership(settings.governance / "ownership.yaml")
    return keep(settings, drill(Alertmanager(args.url.rstrip("/")), ownership, digests(settings), args.hold))


def deploy(args: argparse.Namespace) -> int:
    """put the images of --images, named by digest, onto the cluster of kubectl: --environment staging"""
    from ..ops.deploy import deploy as run
    from ..ops.deploy import images

    run(args.environment, images(args.images), args.project.settings().state / "deploy" / args.environment)
    return 0


def deployed(args: argparse.Namespace) -> int:
    """ask the cluster whether what runs there are the images of --images, digest by digest"""
    from ..ops.deploy import deployed as run
    from ..ops.deploy import images
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import keep

    settings = args.project.settings()
    found = run(args.environment, images(args.images), digests(settings))
    Registry(settings).serves(args.environment)  # whoever promotes from now on moves what answers there
    return keep(settings, found)


def image(args: argparse.Namespace) -> int:
    """build the images NAME:serve and NAME:pipeline, with docker, podman or buildah; [--name NAME] [--base IMAGE]"""
    from ..ops.images import build

    print("\n".join(build(args.name, args.base)))
    return 0


def image_drill(args: argparse.Namespace) -> int:
    """run the image NAME:serve with the champion, locked down as a cluster would: does it answer and end?"""
    from ..ops.images import TARGETS
    from ..ops.images import image_drill as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import tried

    settings, seam = args.project.settings(), args.project.seam()
    about, registry = digests(settings, seam), Registry(settings)
    name = f"{args.name}:{TARGETS[0]}"
    return tried(settings, about, ["image-runs"], lambda: run(name, registry, seam, about))


def _service(url: str) -> "Service":
    """A service that answers. Raises DrillFailed when none does."""
    from ..ops.drills import Service

    service = Service(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
    service.wait_for(lambda facts: facts, "an answer (make serve in another terminal gives one)", seconds=5)
    return service
