"""Checks of why this exists and when it ends."""

from collections.abc import Iterator

from ..problem import FILE
from .context import Check, CheckContext


def stated(view: CheckContext) -> Iterator[str]:
    message, decision = view.org.problem.problem, view.org.problem.decision
    for key, value in (
        ("problem.statement", message.statement),
        ("problem.affected", message.affected),
        ("problem.today", message.today and message.today.cost),
        ("decision.who", decision.who),
        ("decision.outcome", decision.outcome),
    ):
        if not value:
            yield f"{FILE}: {key} is not said"


def compared(view: CheckContext) -> Iterator[str]:
    if not view.org.problem.alternatives:
        yield (
            f"{FILE}: alternatives: none was looked at; name one without ML, its result, and "
            f"why it is not enough"
        )


def targeted(view: CheckContext) -> Iterator[str]:
    value = view.org.problem.value
    for key in ("kpi", "unit", "baseline", "target", "payoff_a_month", "by"):
        if getattr(value, key) in ("", None):
            yield f"{FILE}: value.{key} is not said"
    if value.by and value.by < view.today:
        yield f"{FILE}: value.by: {value.by} has passed; review the value, then set the next date"
    if value.baseline is not None and value.target is not None:
        gained = (
            value.target - value.baseline
            if value.direction == "up"
            else value.baseline - value.target
        )
        if gained <= 0:
            yield (
                f"{FILE}: value.target {value.target:g} is no gain over {value.baseline:g} "
                f"when {value.direction}"
            )
    if view.known(value.owner) is None:
        yield f"{FILE}: value.owner: {value.owner or 'nobody'} is no known person of ownership.yaml"


def killable(view: CheckContext) -> Iterator[str]:
    if not view.org.problem.kill_criteria:
        yield (
            f"{FILE}: kill_criteria: none; say what would end this, and the day on which that "
            f"is looked at"
        )
    yield from overdue(view)


def overdue(view: CheckContext) -> Iterator[str]:
    for position, kill in enumerate(view.org.problem.kill_criteria):
        if kill.by < view.today:
            yield (
                f"{FILE}: kill_criteria[{position}]: {kill.by} has passed ({kill.when}): "
                f"end it, or set a new day "
                "in a change that the sponsor approves"
            )


CHECKS: dict[str, Check] = {
    "problem-stated": stated,
    "non-ml-alternative": compared,
    "value-targeted": targeted,
    "kill-criteria": killable,
}
