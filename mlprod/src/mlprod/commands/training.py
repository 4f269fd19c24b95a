"""Verbs of training: validate the data, train a model, retrain it, and the demo."""

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
    from ..files.columns import columns_of_contract
    from ..files.read import read_table
    from ..training.evidence_store import digests, write_evidence
    from ..training.registry import Registry
    from ..training.sources import load_table
    from ..training.training_evidence import data_evidence

    seam, settings = args.project.seam(), args.project.settings()
    if args.input:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="table-", dir=settings.state_dir) as folder:
            file = read_table(args.input, columns_of_contract(seam.terms), Path(folder))
            report = check(file.table, seam.terms, seam.task(), of_file=True)
        if file.described:
            print(file.described)
        if not report.ok:
            raise ContractViolationError(report)
        print(report.describe())
        return 0
    report = check(load_table(seam.load), seam.terms, seam.task())
    write_evidence(Registry(settings), data_evidence(seam, report, digests(settings, seam)))
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
    """Return the next command that brings a just trained version into service."""
    from ..training.registry import CHALLENGER, CHAMPION

    champion, challenger = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion and champion.number == version.number:
        return (
            f"Version {version.number} is already the champion: the same rows and files produce "
            f"the same bundle."
        )
    if challenger and challenger.number == version.number:
        named = f"VERSION={version.number} " if challenger.rolled_back else ""
        return f'Next: make promote {named}REASON="..." puts version {version.number} into service.'
    if version.kind == "model":
        return (
            f"Version {version.number} did not become the challenger, since the champion changed "
            f"meanwhile. Train again."
        )
    return (
        f"A baseline never becomes the challenger. To return to it: "
        f'make promote VERSION={version.number} REASON="..."'
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
    from ..monitoring.retrain_trigger import detect_trigger
    from ..training.registry import Registry
    from ..training.retrain import retrain as run
    from .service import records

    settings, why = args.project.settings(), args.reason
    trigger = args.trigger or ("person" if args.reason else "")
    seam, store = args.project.seam(), records(settings)
    if not trigger:
        trigger, why = detect_trigger(settings, seam, store, args.days)
        print(display(why if trigger else f"nothing to do: {why}"), flush=True)
        if not trigger:
            return 0
    who = args.actor or whoami()
    result = run(seam, settings, store, timed_printer(), trigger=trigger, who=who, why=why)
    print(f"It does not serve yet. {_next_step(Registry(settings), result.version)}")
    return 0


def timed_printer() -> "Callable[[str], None]":
    """Return a function that prints each step with the seconds since the start."""
    started = time.perf_counter()
    return lambda line: print(
        f"{time.perf_counter() - started:6.1f} s  {display(line)}", flush=True
    )


@verb("demo")
def demo(args: argparse.Namespace) -> int:
    """Train, serve, promote and roll back a model, in a folder of its own."""
    from ..ops.demo import run_demo as run

    return run(args.project)
