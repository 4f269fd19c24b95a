"""What the change plan requires of a step to the next mode, and the evidence of use."""

from collections.abc import Iterable

from ..governance import change_plan
from ..governance.check_catalogue import Subject
from ..governance.config import GovernanceConfig, read_governance
from ..governance.evidence import Evidence
from ..modes import MODES, DecisionMode
from ..records.usage_stats import Usage
from ..settings import Settings
from ..training import evidence_store as home
from .stage_requirements import NotReadyError, require_own_files

# Below this number of judged cases an override rate is not meaningful.
MIN_JUDGED_CASES = 30


def require_mode(settings: Settings, wanted: str, now: str, used: Usage) -> None:
    """Raise NotReadyError if the change plan does not allow the mode `wanted` after `now`.

    A step down is always allowed. On a laptop with its own database every step is allowed.
    """
    shared = not settings.records_url.startswith("sqlite")
    if MODES.index(wanted) <= MODES.index(now) or (settings.environment == "local" and not shared):
        return
    require_own_files(settings, settings.environment)
    org = read_governance(settings.governance_dir)
    if unmet := list(unmet_mode_criteria(org, wanted, now, used)):
        lines = "\n".join(f"  {line}" for line in unmet)
        raise NotReadyError(f"the mode cannot change from {now} to {wanted}:\n{lines}")


def unmet_mode_criteria(org: GovernanceConfig, wanted: str, now: str, used: Usage) -> Iterable[str]:
    """Yield each criterion of the mode `now` that is not met."""
    plan, limits = org.change_plan, org.usage_limits
    next_mode = MODES[MODES.index(now) + 1]
    if wanted != next_mode:
        yield f"one step at a time: {next_mode} comes after {now}"
    phase, trained = plan.phase(now), plan.trained_share
    if used.days < phase.min_days:
        yield (
            f"{used.days} days with cases in {now}; governance/change_plan.yaml requires "
            f"{phase.min_days}"
        )
    if used.cases < phase.min_cases:
        yield (
            f"{used.cases:,} cases in {now}; governance/change_plan.yaml requires "
            f"{phase.min_cases:,}"
        )
    if trained is None or trained < change_plan.MIN_TRAINED_SHARE:
        who = "nobody is" if trained is None else f"{trained:.0%} of the intended users are"
        yield (
            f"{who} trained; {change_plan.MIN_TRAINED_SHARE:.0%} are required "
            f"(governance/change_plan.yaml: training)"
        )
    if now == DecisionMode.ASSIST:
        if used.judged < MIN_JUDGED_CASES:
            yield (
                f"{used.judged} cases with feedback in 28 days; the override rate requires "
                f"{MIN_JUDGED_CASES}"
            )
        elif (used.override_rate or 0) > limits.override_stop:
            yield (
                f"people overrode {used.override_rate:.0%}; the limit is "
                f"{limits.override_stop:.0%} (governance/gates.yaml: people)"
            )


def usage_evidence(
    org: GovernanceConfig, shadow: Usage, assist: Usage, digests: dict[Subject, str]
) -> list[Evidence]:
    """Return evidence of use from the records; figures based on too few cases are omitted."""
    phase = org.change_plan.phase(DecisionMode.SHADOW)
    enough = shadow.days >= phase.min_days and shadow.cases >= phase.min_cases
    message = (
        f"{shadow.days} days, {shadow.cases:,} cases; {phase.min_days} and {phase.min_cases:,} are "
        f"required"
    )
    records = [home.finding("shadow-long-enough", enough, digests, message)]
    if assist.judged >= MIN_JUDGED_CASES and assist.override_rate is not None:
        within = assist.override_rate <= org.usage_limits.override_stop
        records.append(
            home.finding(
                "override-in-band",
                within,
                digests,
                f"{assist.override_rate:.1%} of {assist.judged}",
            )
        )
    if shadow.joined_share is not None:
        share = round(shadow.joined_share, 6)
        records.append(home.finding("outcomes-join", share >= 0.5, digests, share))
    return records
