"""Verbs that write down what was found, and how every verb keeps its evidence."""

import argparse
import sys
from typing import TYPE_CHECKING

from .verb import REASON, option, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..governance.check_catalogue import Subject
    from ..governance.evidence import Evidence
    from ..settings import Settings


@verb("attest", option("--check", required=True, help="id of a check that a person does"), REASON)
def attest(args: argparse.Namespace) -> int:
    """Record a check that you did by hand, as the accountable person."""
    from ..display.plain_text import MAX_LENGTH, display, violation
    from ..governance.check_catalogue import catalogue
    from ..governance.ci_identity import in_ci, proven_run
    from ..governance.ownership import read_ownership
    from ..training.evidence_store import digests, finding, write
    from ..training.registry import Registry

    allowed = [entry.id for entry in catalogue().checks if entry.by_hand]
    if args.check not in allowed:
        print(
            f"{args.check!r} cannot be said by hand; these can: {', '.join(allowed)}",
            file=sys.stderr,
        )
        return 1
    if errors := violation(args.reason):
        message = (
            f'say what you found, in 1 to {MAX_LENGTH} characters: --reason "..." (make: '
            f'REASON="..."); {errors}'
        )
        print(message, file=sys.stderr)
        return 1
    settings = args.project.settings()
    # there the name that git is given proves nothing: a person says it, or a proven run of the CI
    if in_ci():
        proven_run(read_ownership(settings.governance_dir / "ownership.yaml").ci)
    record = finding(args.check, True, digests(settings, args.project.seam()), args.reason.strip())
    entry = catalogue().entry(args.check)
    owner = read_ownership(settings.governance_dir / "ownership.yaml").answers_for(
        entry.outcome if entry else ""
    )
    if owner is None or not owner.known or owner.email.lower() != record.actor.lower():
        whose = owner.shown if owner else "TODO"
        print(
            f"nothing was kept: {whose} answers for it and must say so; git knows you as "
            f"{display(record.actor)}",
            file=sys.stderr,
        )
        return 1
    if not write(Registry(settings), [record]):
        return 1
    print(
        f"{args.check}: {display(record.actor)} said so on {record.at:%Y-%m-%d}; it holds "
        f"for {record.valid_days} days"
        + (
            ""
            if record.proof
            else ". This name is what git says, which proves nothing: it counts for a pilot"
        )
    )
    return 0


@verb("collect-evidence")
def collect_evidence(args: argparse.Namespace) -> int:
    """Record evidence from the records: shadow, overrides, outcomes, quality, value, use."""
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
    store, org, subject = (
        records(settings),
        read_organisation(settings.governance_dir),
        digests(settings),
    )
    result = observed(
        org, usage(store, DecisionMode.SHADOW), usage(store, DecisionMode.ASSIST), subject
    )
    save_evidence(
        settings,
        [
            *result,
            *collect_evidence(
                org, args.project.seam(), store, champion_if_any(settings), subject, now()
            ),
        ],
    )
    return 0  # a reading, which is no failure


def run_drill(
    settings: "Settings",
    about: "dict[Subject, str]",
    checks: list[str],
    drill: "Callable[[], list[Evidence]]",
) -> int:
    """Keep what a drill shows. One that fails is kept as failed too, and raises what it raised."""
    from ..ops.drills import DrillError
    from ..training.evidence_store import finding

    try:
        return save_evidence(settings, drill())
    except (DrillError, OSError) as error:
        save_evidence(
            settings, [finding(check, False, about, f"{error}"[:300]) for check in checks]
        )
        raise


def save_evidence(settings: "Settings", records: "list[Evidence]") -> int:
    """Print what was found, and write it into the registry; 1 when something did not pass, or was
    not kept.
    """
    from ..display.plain_text import display
    from ..training.evidence_store import write
    from ..training.registry import Registry

    for record in records:
        limit = f", must be {record.threshold}" if record.threshold else ""
        print(
            display(
                f"{'passed' if record.passed else 'FAILED'} {record.check}: {record.value}{limit}"
            )
        )
    stored = not records or write(Registry(settings), records)
    return 0 if stored and all(record.passed for record in records) else 1
