"""Checks of the problem, the value and the kill criteria."""

from collections.abc import Iterator

from ..problem import FILE
from .context import ACTIVE_PERSON, Check, CheckContext


def problem_stated(context: CheckContext) -> Iterator[str]:
    problem, decision = context.org.problem.problem, context.org.problem.decision
    for key, value in (
        ("problem.statement", problem.statement),
        ("problem.affected", problem.affected),
        ("problem.today.cost", problem.today and problem.today.cost),
        ("decision.who", decision.who),
        ("decision.outcome", decision.outcome),
    ):
        if not value:
            yield f"{FILE}: {key} is not filled in"


def alternative_considered(context: CheckContext) -> Iterator[str]:
    if not context.org.problem.alternatives:
        yield (
            f"{FILE}: alternatives: none; add one without machine learning, its result, and why it "
            f"is not enough"
        )


def value_targeted(context: CheckContext) -> Iterator[str]:
    value = context.org.problem.value
    for key in ("kpi", "unit", "baseline", "target", "payoff_a_month", "by"):
        if getattr(value, key) in ("", None):
            yield f"{FILE}: value.{key} is not filled in"
    if value.by and value.by < context.today:
        yield f"{FILE}: value.by: {value.by} has passed; review the value, then set the next day"
    if value.baseline is not None and value.target is not None:
        gained = (
            value.target - value.baseline
            if value.direction == "up"
            else value.baseline - value.target
        )
        if gained <= 0:
            comparison = "above" if value.direction == "up" else "below"
            yield (
                f"{FILE}: value.target: {value.target:g} does not improve on the baseline; with "
                f"direction {value.direction}, set a target {comparison} {value.baseline:g}"
            )
    if context.active_person(value.owner) is None:
        yield (f"{FILE}: value.owner: {value.owner or 'nobody'}; {ACTIVE_PERSON}")


def kill_criteria(context: CheckContext) -> Iterator[str]:
    if not context.org.problem.kill_criteria:
        yield (
            f"{FILE}: kill_criteria: none; add a condition that ends the project, and the day on "
            f"which it is checked"
        )
    yield from overdue(context)


def overdue(context: CheckContext) -> Iterator[str]:
    """Kill criteria whose day has passed."""
    for position, kill in enumerate(context.org.problem.kill_criteria):
        if kill.by < context.today:
            yield (
                f"{FILE}: kill_criteria[{position}]: {kill.by} has passed ({kill.when}): end the "
                f"project, or set a new day in a change that the sponsor approves"
            )


CHECKS: dict[str, Check] = {
    "problem-stated": problem_stated,
    "non-ml-alternative": alternative_considered,
    "value-targeted": value_targeted,
    "kill-criteria": kill_criteria,
}
