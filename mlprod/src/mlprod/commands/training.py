"""Verbs of those who train: the data against its contract, a model through the gates."""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..display.plain_text import display
from .verb import ACTOR, INPUT, REASON, option, utc, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..training.registry import Registry, Version


@verb("validate", INPUT)
def validate(args: argparse.Namespace) -> int:
    """Compare the data with the contract; train nothing."""
    from ..contract.validation import ContractViolationError, check
    from ..files.columns import of_terms
    from ..files.read import read
    from ..training.evidence_store import digests, write
    from ..training.registry import Registry
    from ..training.sources import loaded
    from ..training.training_evidence import of_data

    seam, settings = args.project.seam(), args.project.settings()
    if args.input:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="table-", dir=settings.state_dir) as folder:
            file = read(args.input, of_terms(seam.terms), Path(folder))
            report = check(file.table, seam.terms, seam.task(), of_file=True)
        if file.described:
            print(file.described)
        if not report.ok:
            raise ContractViolationError(report)
        print(report.describe())
        return 0
    report = check(loaded(seam.load), seam.terms, seam.task())
    write(Registry(settings), of_data(seam, report, digests(settings, seam)))
    if not report.ok:
        raise ContractViolationError(report)
    print(display(report.describe(), keep="\n"))
    return 0


@verb(
    "train",
    option("--baseline", action="store_true", help="register today's rule instead of a model"),
    option("--until", type=utc, help="use rows before this time, UTC, e.g. 2026-06-01"),
)
def train(args: argparse.Namespace) -> int:
    """Train a model and register it as challenger if it passes every gate."""
    from ..training.governed_training import train_with_governance as run
    from ..training.registry import Registry

    settings, kind = args.project.settings(), "baseline" if args.baseline else "model"
    version = run(
        args.project.seam(), settings, timed_printer(), kind=kind, until=args.until
    ).version
    print(_next_step(Registry(settings), version))
    return 0


def _next_step(registry: "Registry", version: "Version") -> str:
    """What to type so that a version that was just trained answers."""
    from ..training.registry import CHALLENGER, CHAMPION

    champion, challenger = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion and champion.number == version.number:
        return (
            f"Version {version.number} is the champion already: the same rows and files make "
            f"the same bundle."
        )
    if challenger and challenger.number == version.number:
        named = f"VERSION={version.number} " if challenger.rolled_back else ""
        return f'Next: make promote {named}REASON="..." makes version {version.number} answer.'
    if version.kind == "model":
        return (
            f"Version {version.number} did not become the challenger: the champion moved "
            f"meanwhile. Train again."
        )
    return (
        f"A baseline challenges no champion; make promote VERSION={version.number} "
        f'REASON="..." goes back to it.'
    )


@verb(
    "retrain",
    option(
        "--trigger",
        choices=["drift", "quality", "age", "person"],
        help="default: person with --reason, otherwise detected (age, drift, quality)",
    ),
    option(
        "--days",
        type=float,
        default=90,
        help="age at which a champion is old; default: %(default)g",
    ),
    REASON,
    ACTOR,
)
def retrain(args: argparse.Namespace) -> int:
    """Train again with the outcomes sent to the service."""
    from ..identity import whoami
    from ..monitoring.retrain_trigger import reason
    from ..training.registry import Registry
    from ..training.retrain import retrain as run
    from .service import records

    settings, because, why = (
        args.project.settings(),
        args.trigger or ("person" if args.reason else ""),
        args.reason,
    )
    seam, store = args.project.seam(), records(settings)
    if not because:
        because, why = reason(settings, seam, store, args.days)
        print(display(why if because else f"nothing to do: {why}"), flush=True)
        if not because:
            return 0
    who = args.actor or whoami()
    version = run(seam, settings, store, timed_printer(), because=because, who=who, why=why).version
    print(f"Nothing answers with it yet. {_next_step(Registry(settings), version)}")
    return 0


def timed_printer() -> "Callable[[str], None]":
    """Print each step behind the seconds that have passed."""
    started = time.perf_counter()
    return lambda line: print(
        f"{time.perf_counter() - started:6.1f} s  {display(line)}", flush=True
    )


@verb("demo")
def demo(args: argparse.Namespace) -> int:
    """Go the whole way in a folder of its own: train, serve, promote, roll back."""
    from ..ops.demo import demo as run

    return run(args.project)
