"""Thresholds of the alert rules, from governance/.

Prometheus records them as series, so the rules themselves do not change.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from .config import GovernanceConfig

SECONDS_A_DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()


def threshold_rules(org: GovernanceConfig, environment: str = "") -> dict[str, Any]:
    """Recording rules of the thresholds, as the content of a rule file.

    A label names the system, and another one the environment if each environment has its own
    rules. A figure that is not filled in is left out, and its alert never fires.
    """
    labels = {"system": org.ownership.system.name} | (
        {"environment": environment} if environment else {}
    )
    figures = [
        {"record": name, "expr": f"vector({value:.15g})", "labels": labels}
        for name, value in _constants(org)
        if value is not None
    ]
    days = [
        {
            "record": "ml_governance_due_timestamp_seconds",
            "expr": f"vector({_end_of(day)})",
            "labels": labels | {"what": what},
        }
        for what, day in due_days(org)
    ]
    return {"groups": [{"name": "ml-governance", "rules": [*figures, *days]}]}


def _constants(org: GovernanceConfig) -> Iterator[tuple[str, float | None]]:
    value, people, watch = org.problem.value, org.usage_limits, org.watch
    yield "ml_payoff_target", value.payoff_a_month
    yield "ml_running_cost_monthly", value.cost_a_month
    yield "ml_intended_users", org.change_plan.adoption.intended_users
    yield "ml_active_users_limit_ratio", people.active_users
    yield "ml_override_limit_ratio", people.override_stop
    yield "ml_bypass_limit_ratio", people.bypass
    yield "ml_model_age_limit_seconds", watch.model_days and watch.model_days * SECONDS_A_DAY
    yield "ml_model_data_age_limit_seconds", watch.data_days and watch.data_days * SECONDS_A_DAY


def due_days(org: GovernanceConfig) -> Iterator[tuple[str, date]]:
    """Days on which an entry must be reviewed, with file and key of the entry."""
    owners, problem = org.ownership, org.problem
    for outcome in owners.outcomes:
        mine = [
            a for a in owners.accepted if (a.person, a.outcome) == (outcome.accountable, outcome.id)
        ]
        if mine:
            last = max(mine, key=lambda acceptance: acceptance.date)
            yield f"governance/ownership.yaml: accepted: {outcome.id}: review_by", last.review_by
    if problem.value.by:
        yield "governance/problem.yaml: value.by", problem.value.by
    for position, kill in enumerate(problem.kill_criteria):
        yield f"governance/problem.yaml: kill_criteria[{position}].by", kill.by
    for position, risk in enumerate(org.risk.risks):
        if risk.review_by:
            yield f"governance/risk.yaml: risks[{position}].review_by ({risk.id})", risk.review_by
    for position, waiver in enumerate(org.waivers):
        yield (
            f"governance/waivers.yaml: waivers[{position}].expires ({waiver.check})",
            waiver.expires,
        )


def _end_of(day: date) -> int:
    """The end of a day, in seconds since 1970 (UTC)."""
    return (day.toordinal() + 1 - EPOCH) * SECONDS_A_DAY
