"""The verb that scores tables."""

import argparse
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..display.plain_text import display
from .verb import INPUT, SINCE, UNTIL, option, verb


@verb(
    "score",
    INPUT,
    SINCE,
    UNTIL,
    option(
        "--output",
        default="",
        help="file.parquet, a folder or an address such as s3://bucket/scores",
    ),
    option(
        "--upcoming",
        action="store_true",
        help="the rows of upcoming(), by default tomorrow's, instead of load()",
    ),
    option("--dry-run", action="store_true", help="record no prediction and output no decision"),
)
def score(args: argparse.Namespace) -> int:
    """Score yesterday's rows of load(), or a file, into a file, and record the predictions."""
    from ..batch.job import score as run
    from ..batch.output import resolve_target
    from ..batch.selection import load_scoring_functions, select_rows
    from ..batch.upcoming import select_upcoming
    from ..identity import whoami
    from ..training.sources import NoRowsError
    from .service import records

    # SIGTERM raises an exception, so that no output stays half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings, domain = args.project.settings(), load_scoring_functions(args.project)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="table-", dir=settings.state_dir) as folder:
        if args.upcoming and args.input:
            raise NoRowsError("--input reads a file, so --upcoming does not apply: leave one out")
        rows = (
            select_upcoming(domain, args.since, args.until)
            if args.upcoming
            else select_rows(domain, args.input, args.since, args.until, Path(folder))
        )
        name = rows.name + (".trial" if args.dry_run else "")
        to = resolve_target(args.output or str(settings.state_dir / "scores"), name)
        if rows.described:
            print(rows.described, flush=True)
        done = run(
            domain, settings, rows, to, None if args.dry_run else records(settings), whoami()
        )
    print(f"{done.rows:,} rows, version {done.version}, {done.mode}: {to}")
    for note in done.notes:
        print(display(note))
    if not args.dry_run:
        known = done.rows - sum(done.refused.values()) - done.new
        print(
            f"{done.new:,} recorded"
            + (
                f", {known:,} were already recorded: the output has the recorded responses"
                if known
                else ""
            )
        )
    return 0
