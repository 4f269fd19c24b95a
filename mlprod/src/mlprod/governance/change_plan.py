"""How the people affected are taken along, as governance/change_plan.yaml says."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field, field_validator

from ..modes import MODES, ModeName
from .check_context import Check, View
from .yaml_loader import Record, read

FILE = "governance/change_plan.yaml"
EXAMPLE = """rollout:
  - {mode: shadow, min_days: 14, min_cases: 500}
training:
  - {audience: reviewers, content: "what it does, its limits, how to overrule it", intended: 12, completed: 0}"""
TRAINED = 0.9  # share of those intended; a practitioners' heuristic


class Consulted(Record):
    date: date
    ref: str


class Stakeholder(Record):
    group: str
    size: int | None = None
    concerns: tuple[str, ...] = ()
    champion: str = ""
    consulted: tuple[Consulted, ...] = ()


class Workforce(Record):
    """The answer to "will I lose my job?", who has looked at it, and the day on which people were told."""

    answer: str = ""
    tasks_removed: tuple[str, ...] = ()
    tasks_added: tuple[str, ...] = ()
    reviewed_by: str = ""
    told_on: date | None = None


class Communication(Record):
    """`limits_first`: does it begin with what the system cannot do?"""

    audience: str
    message: str
    limits_first: bool = False
    channel: str = ""
    when: str = ""
    owner: str = ""
    sent: date | None = None


class Training(Record):
    audience: str
    content: str
    due: date | None = None
    intended: int = Field(default=0, ge=0)
    completed: int = Field(default=0, ge=0)


class Phase(Record):
    """A mode: for whom, and what must have been seen in it (days, cases) before the next mode may be entered."""

    mode: ModeName
    cohort: str = ""
    min_days: int = Field(default=14, ge=1)
    min_cases: int = Field(default=500, ge=1)
    enter_if: str = ""
    roll_back_if: str = ""


class Adoption(Record):
    intended_users: int | None = Field(default=None, ge=0)
    targets: dict[str, float] = Field(default_factory=dict)


class ChangePlan(Record):
    stakeholders: tuple[Stakeholder, ...] = ()
    workforce_impact: Workforce = Workforce()
    communications: tuple[Communication, ...] = ()
    training: tuple[Training, ...] = ()
    rollout: tuple[Phase, ...] = ()
    adoption: Adoption = Adoption()

    def phase(self, mode: str) -> Phase:
        """What the plan asks of a mode; the defaults where it says nothing."""
        return next((phase for phase in self.rollout if phase.mode == mode), Phase.model_validate({"mode": mode}))

    @field_validator("rollout")
    @classmethod
    def _once(cls, given: tuple[Phase, ...]) -> tuple[Phase, ...]:
        modes = [phase.mode for phase in given]
        if twice := next((mode for mode in modes if modes.count(mode) > 1), None):
            raise ValueError(f"{twice} is said twice; say each mode once")
        return given

    @property
    def trained(self) -> float | None:
        """Share of the intended people who have completed their training; None while nobody is intended."""
        intended = sum(each.intended for each in self.training)
        return sum(min(each.completed, each.intended) for each in self.training) / intended if intended else None


def read_change_plan(path: Path) -> ChangePlan:
    """The plan; an empty one when there is no file. Raises GovernanceError."""
    return read(path, ChangePlan, EXAMPLE) if path.is_file() else ChangePlan()


def consulted(view: View) -> Iterator[str]:
    plan = view.org.change_plan
    if not plan.stakeholders:
        yield f"{FILE}: stakeholders: none; name the groups that use or feel the decisions"
    for position, group in enumerate(plan.stakeholders):
        if not any(each.date <= view.today for each in group.consulted):
            yield f"{FILE}: stakeholders[{position}] ({group.group}): consulted: nobody was asked how they work today"


def answered(view: View) -> Iterator[str]:
    impact = view.org.change_plan.workforce_impact
    for key in ("answer", "reviewed_by", "told_on"):
        if not getattr(impact, key):
            yield f'{FILE}: workforce_impact.{key} is not said ("will I lose my job?")'
    if impact.told_on and impact.told_on > view.today:
        yield f"{FILE}: workforce_impact.told_on: {impact.told_on} is still to come"


def told(view: View) -> Iterator[str]:
    plan = view.org.change_plan
    if not plan.communications:
        yield f"{FILE}: communications: none"
    for position, each in enumerate(plan.communications):
        key = f"{FILE}: communications[{position}] ({each.audience})"
        if not each.limits_first:
            yield f"{key}: limits_first: begin with what it cannot do, then set it to true"
        if view.known(each.owner) is None:
            yield f"{key}: owner: {each.owner or 'nobody'} is no known person of ownership.yaml"


def told_in_time(view: View) -> Iterator[str]:
    for position, each in enumerate(view.org.change_plan.communications):
        if each.sent is None or each.sent > view.today:
            yield f"{FILE}: communications[{position}] ({each.audience}): sent: not yet"


def planned(view: View) -> Iterator[str]:
    plan = view.org.change_plan
    if plan.trained is None:
        yield f"{FILE}: training: intended: say how many people each training is for"
    for position, each in enumerate(plan.training):
        if each.due and each.due < view.today and each.completed < TRAINED * each.intended:
            yield f"{FILE}: training[{position}] ({each.audience}): due: {each.due} has passed"
    if missing := [mode for mode in MODES if mode not in {phase.mode for phase in plan.rollout}]:
        yield f"{FILE}: rollout: {', '.join(missing)} is missing"
    if not plan.adoption.intended_users:
        yield f"{FILE}: adoption.intended_users is not said"


def trained(view: View) -> Iterator[str]:
    share = view.org.change_plan.trained
    if share is None:
        yield f"{FILE}: training: intended: say how many people each training is for"
    elif share < TRAINED:
        yield f"{FILE}: training: {share:.0%} of those intended have completed it, {TRAINED:.0%} are needed"


def with_a_fallback(view: View) -> Iterator[str]:
    """Who integrates the answers, and what they do without them."""
    consumers = view.org.ownership.consumers
    if not consumers:
        yield "governance/ownership.yaml: consumers: none; name the systems that use the answers"
    for position, each in enumerate(consumers):
        if not each.fallback:
            yield f"governance/ownership.yaml: consumers[{position}] ({each.system}): fallback is not said"


CHECKS: dict[str, Check] = {
    "users-consulted": consulted,
    "job-question-answered": answered,
    "limits-said-first": told,
    "people-told": told_in_time,
    "training-planned": planned,
    "training-done": trained,
    "consumers-have-a-fallback": with_a_fallback,
}
