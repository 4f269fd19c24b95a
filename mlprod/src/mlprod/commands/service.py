"""Verbs of those who run the service."""

import argparse
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from ..display.plain_text import display
    from ..identity import whoami
    from ..ops.mode_switch import modes_here, open_store, read_mode, switch
    from ..records.errors import StoreUnavailableError
    from ..records.mode import Mode, rank

    settings = args.project.settings()
    if args.mode and not args.why.strip():
        raise SystemExit('a switch needs its reason, for the record: --why "complaints since noon" (make: WHY="...")')
    now: Mode | None = None
    away: StoreUnavailableError | None = None
    if args.mode:
        done = switch(settings, args.mode, args.who or whoami(), args.why)
        if done.holds is None:
            print("\n".join(map(display, done.reached)))
            return 0 if done.effective else 1
        now = done.holds
    else:
        try:
            now = read_mode(settings, open_store(settings))
        except StoreUnavailableError as error:
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
    from ..records.store import Store
    from ..records.time_limits import LONG_WAIT

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
