"""Verbs that write down what was found, and how every verb keeps its evidence."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..governance.check_catalogue import Subject
    from ..governance.evidence import Evidence
    from ..settings import Settings


def attest(args: argparse.Namespace) -> int:
    """write down what you looked at by hand, as the one who answers for it: --check ID --why "what you found" """
    from ..display.plain_text import MAX_LENGTH, display, violation
    from ..governance.check_catalogue import catalogue
    from ..governance.ci_identity import in_ci, proven_run
    from ..governance.ownership import read_ownership
    from ..training.evidence_store import digests, finding, write
    from ..training.registry import Registry

    allowed = [entry.id for entry in catalogue().checks if entry.by_hand]
    if args.check not in allowed:
        print(f"{args.check!r} cannot be said by hand; these can: {', '.join(allowed)}", file=sys.stderr)
        return 1
    if wrong := violation(args.why):
        said = f'say what you found, in 1 to {MAX_LENGTH} characters: --why "..." (make: WHY="..."); {wrong}'
        print(said, file=sys.stderr)
        return 1
    settings = args.project.settings()
    if in_ci():  # there the name that git is given proves nothing: a person says it, or a proven run of the CI
        proven_run(read_ownership(settings.governance_dir / "ownership.yaml").ci)
    record = finding(args.check, True, digests(settings, args.project.seam()), args.why.strip())
    entry = catalogue().entry(args.check)
    owner = read_ownership(settings.governance_dir / "ownership.yaml").answers_for(entry.outcome if entry else "")
    if owner is None or not owner.known or owner.email.lower() != record.actor.lower():
        whose = owner.shown if owner else "TODO"
        print(
            f"nothing was kept: {whose} answers for it and must say so; git knows you as {display(record.actor)}",
            file=sys.stderr,
        )
        return 1
    if not write(Registry(settings), [record]):
        return 1
    print(
        f"{args.check}: {display(record.actor)} said so on {record.at:%Y-%m-%d}; it holds for {record.valid_days} days"
        + ("" if record.proof else ". This name is what git says, which proves nothing: it counts for a pilot")
    )
    return 0


def observe(args: argparse.Namespace) -> int:
    """write down what the records show: shadow, overrides, outcomes, quality, value, use"""
    from ..governance.config import read_organisation
    from ..modes import DecisionMode
    from ..monitoring.champion import champion_if_any
    from ..monitoring.live_checks import collect_evidence
    from ..ops.readiness_report import observed
    from ..records.database import now
    from ..records.usage_stats import usage
    from ..training.evidence_store import digests
    from .service import records

    settings = args.project.settings()
    store, org, about = records(settings), read_organisation(settings.governance_dir), digests(settings)
    found = observed(org, usage(store, DecisionMode.SHADOW), usage(store, DecisionMode.ASSIST), about)
    save_evidence(
        settings, [*found, *collect_evidence(org, args.project.seam(), store, champion_if_any(settings), about, now())]
    )
    return 0  # a reading, which is no failure


def run_drill(
    settings: "Settings", about: "dict[Subject, str]", checks: list[str], drill: "Callable[[], list[Evidence]]"
) -> int:
    """Keep what a drill shows. One that fails is kept as failed too, and raises what it raised."""
    from ..ops.drills import DrillError
    from ..training.evidence_store import finding

    try:
        return save_evidence(settings, drill())
    except (DrillError, OSError) as error:
        save_evidence(settings, [finding(check, False, about, f"{error}"[:300]) for check in checks])
        raise


def save_evidence(settings: "Settings", records: "list[Evidence]") -> int:
    """Print what was found, and write it into the registry; 1 when something did not pass, or was not kept."""
    from ..display.plain_text import display
    from ..training.evidence_store import write
    from ..training.registry import Registry

    for record in records:
        limit = f", must be {record.threshold}" if record.threshold else ""
        print(display(f"{'passed' if record.passed else 'FAILED'} {record.check}: {record.value}{limit}"))
    kept = not records or write(Registry(settings), records)
    return 0 if kept and all(record.passed for record in records) else 1
