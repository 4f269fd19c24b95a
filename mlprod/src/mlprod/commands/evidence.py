"""Verbs that record evidence, and the functions by which every verb records its evidence."""

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
    from ..display.plain_text import MAX_LENGTH, display, text_violation
    from ..governance.check_catalogue import catalogue
    from ..governance.ci_identity import in_ci, proven_run
    from ..governance.ownership import read_ownership
    from ..training.evidence_store import digests, finding, write_evidence
    from ..training.registry import Registry

    allowed = [entry.id for entry in catalogue().checks if entry.by_hand]
    if args.check not in allowed:
        print(
            f"--check: {args.check!r} cannot be attested by hand; works: {', '.join(allowed)}",
            file=sys.stderr,
        )
        return 1
    if errors := text_violation(args.reason):
        message = (
            f"--reason: {errors}. Works: what you found, in 1 to {MAX_LENGTH} characters: "
            f'--reason "..." (make: REASON="...")'
        )
        print(message, file=sys.stderr)
        return 1
    settings = args.project.settings()
    # In the CI the name in git proves nothing: an attestation requires a proven run of the CI.
    if in_ci():
        proven_run(read_ownership(settings.governance_dir / "ownership.yaml").ci)
    record = finding(args.check, True, digests(settings, args.project.seam()), args.reason.strip())
    entry = catalogue().entry(args.check)
    owner = read_ownership(settings.governance_dir / "ownership.yaml").accountable_person(
        entry.outcome if entry else ""
    )
    if owner is None or not owner.is_named or owner.email.lower() != record.actor.lower():
        whose = owner.display_name if owner else "TODO"
        print(
            f"nothing was recorded: {whose} is the accountable person and must attest it; your "
            f"user.email in git is {display(record.actor)}",
            file=sys.stderr,
        )
        return 1
    if not write_evidence(Registry(settings), [record]):
        return 1
    print(
        f"{args.check}: {display(record.actor)} attested it on {record.at:%Y-%m-%d}; it is valid "
        f"for {record.valid_days} days"
        + (
            ""
            if record.proof
            else ". The name comes from git and is not proven, so it counts for a pilot only"
        )
    )
    return 0


@verb("collect-evidence")
def collect_evidence(args: argparse.Namespace) -> int:
    """Record evidence from the records: shadow, overrides, outcomes, quality, value, use."""
    from ..governance.config import read_governance
    from ..modes import DecisionMode
    from ..monitoring.champion import champion_if_any
    from ..monitoring.live_checks import collect_evidence
    from ..ops.mode_requirements import usage_evidence
    from ..records.database import now
    from ..records.usage_stats import usage
    from ..training.evidence_store import digests
    from .service import records

    settings = args.project.settings()
    store, org, subject = (
        records(settings),
        read_governance(settings.governance_dir),
        digests(settings),
    )
    result = usage_evidence(
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
    # A measurement below its limit is not a failure of this verb.
    return 0


def run_drill(
    settings: "Settings",
    subject: "dict[Subject, str]",
    checks: list[str],
    drill: "Callable[[], list[Evidence]]",
) -> int:
    """Run a drill and record its evidence; a failed drill is recorded too, and its error raised."""
    from ..ops.drills import DrillError
    from ..training.evidence_store import finding

    try:
        return save_evidence(settings, drill())
    except (DrillError, OSError) as error:
        save_evidence(
            settings, [finding(check, False, subject, f"{error}"[:300]) for check in checks]
        )
        raise


def save_evidence(settings: "Settings", records: "list[Evidence]") -> int:
    """Print evidence and write it to the registry; return 1 if a check failed or was not stored."""
    from ..display.plain_text import display
    from ..training.evidence_store import write_evidence
    from ..training.registry import Registry

    for record in records:
        limit = f", must be {record.threshold}" if record.threshold else ""
        print(
            display(
                f"{'passed' if record.passed else 'FAILED'} {record.check}: {record.value}{limit}"
            )
        )
    stored = not records or write_evidence(Registry(settings), records)
    return 0 if stored and all(record.passed for record in records) else 1
