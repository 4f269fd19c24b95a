"""Verbs of the service: run it, migrate its database, set its mode, manage records and keys."""

import argparse
import os
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..modes import MODES
from .verb import ACTOR, REASON, option, verb

if TYPE_CHECKING:
    from ..records.store import Store
    from ..settings import Settings

# Between two lines about the progress of long work.
PROGRESS_SECONDS = 5.0


@verb("serve", option("--no-follow", action="store_true", help="read MODEL_DIR only"))
def serve(args: argparse.Namespace) -> int:
    """Serve predictions at http://127.0.0.1:8000 and follow the champion."""
    from ..serving.server import serve as run

    run(args.project, args.project.settings(), follower=not args.no_follow)
    return 0


@verb("migrate")
def migrate(args: argparse.Namespace) -> int:
    """Migrate the database of records; run it before a new version of the service."""
    from ..ops.migrate import migrate as run

    matches = run(args.project.settings().records_url)
    print(
        "the database of records has every table"
        if matches
        else "the database belongs to newer code; it was not changed"
    )
    return 0


@verb(
    "set-mode",
    option("mode", nargs="?", choices=MODES),
    REASON,
    ACTOR,
    option("--url", default="", help="wait until the service at this address has the mode"),
)
def set_mode(args: argparse.Namespace) -> int:
    """Show or set the decision mode: shadow (kill switch), assist or automate."""
    from ..display.masking import masked
    from ..display.plain_text import display
    from ..identity import whoami
    from ..ops.mode_switch import modes_here, open_store, read_mode, switch_mode
    from ..records.errors import StoreUnavailableError
    from ..records.mode import ModeSwitch, rank

    settings = args.project.settings()
    if args.mode and not args.reason.strip():
        raise SystemExit(
            "--reason is missing: a switch of the mode requires a reason, such as "
            '--reason "complaints since noon" (make: REASON="...")'
        )
    now: ModeSwitch | None = None
    down: StoreUnavailableError | None = None
    if args.mode:
        done = switch_mode(settings, args.mode, args.actor or whoami(), args.reason)
        if done.holds is None:
            print("\n".join(map(display, done.reached)))
            return 0 if done.effective else 1
        now = done.holds
    else:
        try:
            now = read_mode(settings, open_store(settings))
        except StoreUnavailableError as error:
            down = error
    if now and now.at:
        print(display(f"{now.mode}, since {now.at:%Y-%m-%d %H:%M} by {now.who}: {now.why}"))
    elif not down:
        source = " (ML_MODE)" if settings.environment == "local" else ""
        print(f"{settings.first_mode}{source}, never switched")
    for item in modes_here(settings):
        if down or rank(item.mode) < rank(now.mode if now else settings.first_mode):
            print(
                display(f"on this machine the mode is {item.mode}, set by {item.who}: {item.why}")
            )
    if down:
        raise down
    if args.mode:
        _confirm_mode(args.url, args.mode, masked(settings.records_url))
    return 0


def _confirm_mode(url: str, mode: str, records_url: str) -> None:
    """Wait until the service at `url` has the mode, or print which services will follow.

    Raises DrillError if the service does not follow.
    """
    if not url:
        print(f"stored in {records_url}: the services that use it follow within five seconds")
        return
    from ..ops.drills import DrilledService

    service = DrilledService(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
    seconds = service.wait_for(
        lambda facts: facts["mode"] == mode, f"the mode {mode} (does it use {records_url}?)", 30
    )
    print(f"{url} is in {mode} after {seconds:.1f} s")


@verb(
    "purge-records",
    option("--before", type=date.fromisoformat, required=True, help="a day, UTC, e.g. 2026-05-31"),
)
def purge_records(args: argparse.Namespace) -> int:
    """Delete predictions, outcomes and feedback recorded before a day."""
    shown = time.monotonic()

    def progress(gone: dict[str, int]) -> None:
        nonlocal shown
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            print(f"{sum(gone.values()):,} rows deleted so far", file=sys.stderr, flush=True)

    gone = records(args.project.settings()).delete_before(
        datetime.combine(args.before, datetime.min.time()), progress
    )
    print("deleted: " + ", ".join(f"{number:,} {name}" for name, number in gone.items()))
    return 0


def records(settings: "Settings") -> "Store":
    """Open the database of records.

    An embedded database belongs to this machine alone, so missing tables are created.
    """
    from ..ops.migrate import migrate as make_tables
    from ..records.store import Store
    from ..records.time_limits import LONG_WAIT

    if not settings.database_url:
        make_tables(settings.records_url)
    return Store(settings.records_url, LONG_WAIT)


@verb(
    "create-key",
    option("--name", required=True, help="the calling system"),
    option(
        "--role",
        action="append",
        required=True,
        choices=["predict", "outcomes", "feedback", "operate", "smoke"],
    ),
    option("--until", type=date.fromisoformat, help="last valid day, e.g. 2027-06-30"),
)
def create_key(args: argparse.Namespace) -> int:
    """Create an API key for a caller, print it once, and keep its hash in ML_KEYS_FILE."""
    from ..serving.api_keys import add_key, count_keys

    path = args.project.settings().keys_file or Path("keys.json")
    earlier = count_keys(path, args.name)
    print(add_key(path, args.name, args.role, args.until))
    if earlier:
        print(
            f"{args.name} has {earlier} earlier {'key' if earlier == 1 else 'keys'}, still valid "
            f"until its day or until you delete its entry in {path}",
            file=sys.stderr,
        )
    print(f"{path} holds the hash of the key; the key itself is stored nowhere", file=sys.stderr)
    return 0
