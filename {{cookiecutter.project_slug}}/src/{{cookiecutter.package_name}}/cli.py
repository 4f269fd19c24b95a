"""The verbs. The Makefile only names them, so everything works without make: python -m <package> help."""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records.store import Store
    from .settings import Settings

from . import development  # and nothing that needs the environment: `setup` makes it

Verb = Callable[[argparse.Namespace], int]


def contract(_: argparse.Namespace) -> int:
    """compare the data with the contract; train nothing"""
    from .contract.check import ContractViolated, check
    from .pipeline.seam import project_seam

    seam = project_seam()
    report = check(seam.table(), seam.terms, seam.task())
    if not report.ok:
        raise ContractViolated(report)
    print(report.describe())
    return 0


def train(args: argparse.Namespace) -> int:
    """data to registered challenger, through the gates; --baseline registers what is done today instead"""
    from .pipeline.registry import CHALLENGER, CHAMPION, Registry
    from .pipeline.seam import project_seam
    from .pipeline.training import train as run
    from .settings import Settings

    started = time.perf_counter()
    say = lambda line: print(f"{time.perf_counter() - started:6.1f} s  {line}", flush=True)  # noqa: E731
    version = run(
        project_seam(), Settings(), say, kind="baseline" if args.baseline else "model", until=args.until
    ).version
    champion, challenger = (Registry(Settings()).behind(alias) for alias in (CHAMPION, CHALLENGER))
    if champion and champion.number == version.number:
        print(f"Version {version.number} is the champion already: the same rows and files make the same bundle.")
    elif challenger and challenger.number == version.number:
        print(f'Next: make promote WHY="..." makes version {version.number} answer.')
    else:
        print(f'A baseline challenges no champion; make promote VERSION={version.number} WHY="..." goes back to it.')
    return 0


def promote(args: argparse.Namespace) -> int:
    """make the challenger the champion: --why "..." [--version N]"""
    from .pipeline.promotion import promote as move
    from .pipeline.promotion import whoami
    from .pipeline.registry import Registry
    from .pipeline.seam import project_seam
    from .settings import Settings

    before, after = move(
        Registry(Settings()),
        args.who or whoami(),
        args.why,
        args.version,
        seam=None if args.unchecked else project_seam(),
        settings=Settings(),
    )
    print(f"champion: version {before.number if before else 'none'} -> {after.number} ({after.kind})")
    return 0


def rollback(args: argparse.Namespace) -> int:
    """make the previous champion the champion again: --why "..." """
    from .pipeline.promotion import rollback as move
    from .pipeline.promotion import whoami
    from .pipeline.registry import Registry
    from .pipeline.seam import project_seam
    from .settings import Settings

    before, after = move(
        Registry(Settings()),
        args.who or whoami(),
        args.why,
        seam=None if args.unchecked else project_seam(),
        settings=Settings(),
    )
    print(f"champion: version {before.number} -> {after.number} ({after.kind})")
    return 0


def versions(_: argparse.Namespace) -> int:
    """what is registered, who serves, and how it came to that"""
    from .pipeline.registry import CHALLENGER, CHAMPION, Registry
    from .settings import Settings

    registry = Registry(Settings())
    found = registry.versions()
    names = {version.number: alias for alias in (CHALLENGER, CHAMPION) if (version := registry.behind(alias))}
    for version in found:
        alias = names.get(version.number, "")
        print(f"version {version.number:3}  {version.kind:8}  {version.digest[:12]}  {alias}".rstrip())
    for event in registry.history() if found else []:
        moved = f"{event['action']} {event['before'] or '-'} -> {event['version']}"
        print(f"{event['at'][:19]}  {moved}  {event['who']}: {event['why']}")
    if not found:
        print("nothing is registered yet: make train")
    return 0


def serve(args: argparse.Namespace) -> int:
    """answer at http://127.0.0.1:8000, following the champion; --no-follow reads MODEL_DIR only"""
    from .serving.run import serve as run
    from .settings import Settings

    run(Settings(), follower=not args.no_follow)
    return 0


def migrate(_: argparse.Namespace) -> int:
    """bring the database of records to this code's tables; run before a new version of the service"""
    from .pipeline.migrate import migrate as run
    from .settings import Settings

    run(Settings().records_url)
    print("the database of records has every table")
    return 0


def mode(args: argparse.Namespace) -> int:
    """what decisions are for: shadow (the stop), assist or automate, with --why; every replica follows in seconds"""
    from .pipeline.promotion import whoami
    from .settings import Settings

    settings = Settings()
    store = records(settings)
    if args.mode:
        if not args.why:
            raise SystemExit(
                'a switch needs its reason, for the record: --why "complaints since noon" (make: WHY="...")'
            )
        store.set_mode(args.mode, args.who or whoami(), args.why)
    now = store.mode()
    print(
        f"{now.mode}, since {now.at:%Y-%m-%d %H:%M} by {now.who}: {now.why}"
        if now
        else f"{settings.mode} (ML_MODE), never switched"
    )
    return 0


def forget(args: argparse.Namespace) -> int:
    """delete what is recorded of the time --before a day: predictions, outcomes, feedback"""
    from .settings import Settings

    gone = records(Settings()).forget(datetime.combine(args.before, datetime.min.time()))
    print("deleted: " + ", ".join(f"{number:,} {name}" for name, number in gone.items()))
    return 0


def records(settings: "Settings") -> "Store":
    """The database of records. The embedded one belongs to this machine alone, so its tables are made if need be."""
    from .pipeline.migrate import migrate as make_tables
    from .records.engine import LONG_WAIT
    from .records.store import Store

    if not settings.database_url:
        make_tables(settings.records_url)
    return Store(settings.records_url, LONG_WAIT)


def key(args: argparse.Namespace) -> int:
    """make a key for a caller, shown once: --name checkout --role predict; ML_KEYS_FILE or keys.json gets its hash"""
    from .serving.keys import add_key
    from .settings import Settings

    path = Settings().keys_file or Path("keys.json")
    print(add_key(path, args.name, args.role, args.until))
    print(f"{path} holds its hash; the key itself is kept nowhere", file=sys.stderr)
    return 0


def sync(args: argparse.Namespace) -> int:
    """bring the champion's bundle into MODEL_DIR; --follow keeps doing so"""
    from .settings import Settings

    settings, stop = Settings(), threading.Event()
    if args.follow_parent and not settings.database_url:  # the embedded database belongs to this machine alone
        from .pipeline.migrate import migrate as make_tables

        make_tables(settings.records_url)
    from .pipeline.registry import Registry
    from .pipeline.sync import follow
    from .pipeline.sync import sync as once

    if args.follow_parent:  # its end of the pipe closes when the parent ends, even by kill -9
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    if args.follow or args.follow_parent:
        follow(settings, stop)
        return 0
    print(once(Registry(settings), settings.models) or "nothing new")
    return 0


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def demo(_: argparse.Namespace) -> int:
    """from nothing to a served model, a promotion and a rollback, in a folder of its own"""
    from .demo import demo as run

    return run()


VERBS: dict[str, Verb] = {
    "setup": development.setup,
    "demo": demo,
    "check": development.check,
    "format": development.tidy,
    "test": development.test,
    "faults": development.faults,
    "soak": development.soak,
    "contract": contract,
    "train": train,
    "promote": promote,
    "rollback": rollback,
    "versions": versions,
    "serve": serve,
    "sync": sync,
    "migrate": migrate,
    "mode": mode,
    "key": key,
    "forget": forget,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.verb in (None, "help"):
        parser.print_help()
        return 0
    try:
        return VERBS[args.verb](args)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if type(error).__name__ == "ValidationError" and getattr(error, "title", "") == "Settings":
            print(f"\nthe environment cannot be used (variables ML_*): {error}", file=sys.stderr)
            return 1
        if type(error).__module__.partition(".")[0] != __name__.partition(".")[0]:
            raise  # a defect, or an error of your own files: the traceback says where
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _utc(said: str) -> datetime:
    """A time as load() takes it: UTC, without saying so."""
    time = datetime.fromisoformat(said)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__name__.partition('.')[0]}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    made = {name: verbs.add_parser(name, help=verb.__doc__, description=verb.__doc__) for name, verb in VERBS.items()}
    verbs.add_parser("help", help="this list")
    made["train"].add_argument("--baseline", action="store_true", help="register the baseline instead of a model")
    made["train"].add_argument("--until", type=_utc, help="use rows before this time, UTC, e.g. 2026-06-01")
    for name in ("promote", "rollback"):
        made[name].add_argument("--why", default="", help="the reason, for the record")
        made[name].add_argument(
            "--unchecked", action="store_true", help="do not ask whether this code could answer with it"
        )
        made[name].add_argument("--who", default="", help="default: git's user.email")
    made["promote"].add_argument("--version", type=int, help="this version instead of the challenger")
    made["serve"].add_argument("--no-follow", action="store_true")
    made["mode"].add_argument("mode", nargs="?", choices=["shadow", "assist", "automate"])
    made["mode"].add_argument("--why", default="", help="the reason, for the record")
    made["mode"].add_argument("--who", default="", help="default: git's user.email")
    made["forget"].add_argument("--before", type=date.fromisoformat, required=True, help="a day, UTC, e.g. 2026-05-31")
    made["key"].add_argument("--name", required=True, help="the system that calls")
    made["key"].add_argument(
        "--role", action="append", required=True, choices=["predict", "outcomes", "feedback", "operate"]
    )
    made["key"].add_argument("--until", type=date.fromisoformat, help="last day on which it holds, e.g. 2027-06-30")
    made["sync"].add_argument("--follow", action="store_true")
    made["sync"].add_argument("--follow-parent", action="store_true", help="the same, until standard input closes")
    made["soak"].add_argument("--minutes", type=float, default=30)
    made["test"].add_argument("rest", nargs="*", help="what pytest takes")
    return parser
