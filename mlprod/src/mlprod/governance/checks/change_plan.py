"""Checks of the change plan."""

from collections.abc import Iterator

from ...modes import MODES
from ..change_plan import FILE, MIN_TRAINED_SHARE
from .context import ACTIVE_PERSON, Check, CheckContext


def users_consulted(context: CheckContext) -> Iterator[str]:
    plan = context.org.change_plan
    if not plan.stakeholders:
        yield (
            f"{FILE}: stakeholders: none; name the groups that use the decisions or are affected "
            f"by them"
        )
    for position, group in enumerate(plan.stakeholders):
        if not any(item.date <= context.today for item in group.consulted):
            yield (
                f"{FILE}: stakeholders[{position}] ({group.group}): consulted: nobody yet; ask the "
                f"group how it works today"
            )


def job_question_answered(context: CheckContext) -> Iterator[str]:
    impact = context.org.change_plan.workforce_impact
    answers = {
        "answer": impact.answer,
        "reviewed_by": impact.reviewed_by,
        "told_on": impact.informed_on,
    }
    for key, value in answers.items():
        if not value:
            yield f'{FILE}: workforce_impact.{key} is not filled in ("Will I lose my job?")'
    if impact.informed_on and impact.informed_on > context.today:
        yield (
            f"{FILE}: workforce_impact.told_on: {impact.informed_on} is in the future; inform the "
            f"people, then set the day"
        )


def limits_first(context: CheckContext) -> Iterator[str]:
    plan = context.org.change_plan
    if not plan.communications:
        yield f"{FILE}: communications: none; add the messages to the people affected"
    for position, item in enumerate(plan.communications):
        key = f"{FILE}: communications[{position}] ({item.audience})"
        if not item.limits_first:
            yield f"{key}: limits_first: begin with what the system cannot do, then set it to true"
        if context.active_person(item.owner) is None:
            yield (f"{key}: owner: {item.owner or 'nobody'}; {ACTIVE_PERSON}")


def messages_sent(context: CheckContext) -> Iterator[str]:
    for position, item in enumerate(context.org.change_plan.communications):
        if item.sent is None or item.sent > context.today:
            yield (
                f"{FILE}: communications[{position}] ({item.audience}): sent: not yet; send the "
                f"message, then set the day"
            )


def training_planned(context: CheckContext) -> Iterator[str]:
    plan = context.org.change_plan
    if plan.trained_share is None:
        yield f"{FILE}: training: intended: 0; fill in how many people each training is for"
    for position, item in enumerate(plan.training):
        late = item.completed < MIN_TRAINED_SHARE * item.intended
        if item.due and item.due < context.today and late:
            yield (
                f"{FILE}: training[{position}] ({item.audience}): due: {item.due} has passed; "
                f"train them, or set a new day"
            )
    if missing := [mode for mode in MODES if mode not in {phase.mode for phase in plan.rollout}]:
        yield f"{FILE}: rollout: {', '.join(missing)} is missing"
    if not plan.adoption.intended_users:
        yield f"{FILE}: adoption.intended_users is not filled in"


def training_done(context: CheckContext) -> Iterator[str]:
    share = context.org.change_plan.trained_share
    if share is None:
        yield f"{FILE}: training: intended: 0; fill in how many people each training is for"
    elif share < MIN_TRAINED_SHARE:
        yield (
            f"{FILE}: training: {share:.0%} of the intended people have completed it; "
            f"{MIN_TRAINED_SHARE:.0%} are required"
        )


def consumers_have_a_fallback(context: CheckContext) -> Iterator[str]:
    consumers = context.org.ownership.consumers
    if not consumers:
        yield "governance/ownership.yaml: consumers: none; name the systems that use the decisions"
    for position, item in enumerate(consumers):
        if not item.fallback:
            yield (
                f"governance/ownership.yaml: consumers[{position}] ({item.system}): fallback is "
                f"not filled in"
            )


CHECKS: dict[str, Check] = {
    "users-consulted": users_consulted,
    "job-question-answered": job_question_answered,
    "limits-said-first": limits_first,
    "people-told": messages_sent,
    "training-planned": training_planned,
    "training-done": training_done,
    "consumers-have-a-fallback": consumers_have_a_fallback,
}
