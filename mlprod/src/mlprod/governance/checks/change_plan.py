"""Checks of how the people affected are prepared for the change."""

from collections.abc import Iterator

from ...modes import MODES
from ..change_plan import FILE, TRAINED
from .context import Check, CheckContext


def consulted(view: CheckContext) -> Iterator[str]:
    plan = view.org.change_plan
    if not plan.stakeholders:
        yield f"{FILE}: stakeholders: none; name the groups that use or feel the decisions"
    for position, group in enumerate(plan.stakeholders):
        if not any(item.date <= view.today for item in group.consulted):
            yield (
                f"{FILE}: stakeholders[{position}] ({group.group}): consulted: nobody was "
                f"asked how they work today"
            )


def answered(view: CheckContext) -> Iterator[str]:
    impact = view.org.change_plan.workforce_impact
    for key in ("answer", "reviewed_by", "told_on"):
        if not getattr(impact, key):
            yield f'{FILE}: workforce_impact.{key} is not said ("will I lose my job?")'
    if impact.told_on and impact.told_on > view.today:
        yield f"{FILE}: workforce_impact.told_on: {impact.told_on} is still to come"


def limits_first(view: CheckContext) -> Iterator[str]:
    plan = view.org.change_plan
    if not plan.communications:
        yield f"{FILE}: communications: none"
    for position, item in enumerate(plan.communications):
        key = f"{FILE}: communications[{position}] ({item.audience})"
        if not item.limits_first:
            yield f"{key}: limits_first: begin with what it cannot do, then set it to true"
        if view.known(item.owner) is None:
            yield f"{key}: owner: {item.owner or 'nobody'} is no known person of ownership.yaml"


def told_in_time(view: CheckContext) -> Iterator[str]:
    for position, item in enumerate(view.org.change_plan.communications):
        if item.sent is None or item.sent > view.today:
            yield f"{FILE}: communications[{position}] ({item.audience}): sent: not yet"


def planned(view: CheckContext) -> Iterator[str]:
    plan = view.org.change_plan
    if plan.trained is None:
        yield f"{FILE}: training: intended: say how many people each training is for"
    for position, item in enumerate(plan.training):
        if item.due and item.due < view.today and item.completed < TRAINED * item.intended:
            yield f"{FILE}: training[{position}] ({item.audience}): due: {item.due} has passed"
    if missing := [mode for mode in MODES if mode not in {phase.mode for phase in plan.rollout}]:
        yield f"{FILE}: rollout: {', '.join(missing)} is missing"
    if not plan.adoption.intended_users:
        yield f"{FILE}: adoption.intended_users is not said"


def trained(view: CheckContext) -> Iterator[str]:
    share = view.org.change_plan.trained
    if share is None:
        yield f"{FILE}: training: intended: say how many people each training is for"
    elif share < TRAINED:
        yield (
            f"{FILE}: training: {share:.0%} of those intended have completed it, {TRAINED:.0%} "
            f"are needed"
        )


def with_a_fallback(view: CheckContext) -> Iterator[str]:
    """Who integrates the answers, and what they do without them."""
    consumers = view.org.ownership.consumers
    if not consumers:
        yield "governance/ownership.yaml: consumers: none; name the systems that use the answers"
    for position, item in enumerate(consumers):
        if not item.fallback:
            yield (
                f"governance/ownership.yaml: consumers[{position}] ({item.system}): fallback "
                f"is not said"
            )


CHECKS: dict[str, Check] = {
    "users-consulted": consulted,
    "job-question-answered": answered,
    "limits-said-first": limits_first,
    "people-told": told_in_time,
    "training-planned": planned,
    "training-done": trained,
    "consumers-have-a-fallback": with_a_fallback,
}
