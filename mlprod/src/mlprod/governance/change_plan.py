"""How the people affected are taken along, as governance/change_plan.yaml says."""

from datetime import date
from pathlib import Path

from pydantic import Field, field_validator

from ..modes import ModeName
from .yaml_loader import StrictModel, read

FILE = "governance/change_plan.yaml"
EXAMPLE = """rollout:
  - {mode: shadow, min_days: 14, min_cases: 500}
training:
  - {audience: reviewers, content: "what it does, its limits, how to overrule it", intended: 12, completed: 0}"""
TRAINED = 0.9  # share of those intended; a practitioners' heuristic


class Consulted(StrictModel):
    date: date
    ref: str


class Stakeholder(StrictModel):
    group: str
    size: int | None = None
    concerns: tuple[str, ...] = ()
    champion: str = ""
    consulted: tuple[Consulted, ...] = ()


class Workforce(StrictModel):
    """The answer to "will I lose my job?", who has looked at it, and the day on which people were
    told.
    """

    answer: str = ""
    tasks_removed: tuple[str, ...] = ()
    tasks_added: tuple[str, ...] = ()
    reviewed_by: str = ""
    told_on: date | None = None


class Communication(StrictModel):
    """`limits_first`: does it begin with what the system cannot do?"""

    audience: str
    message: str
    limits_first: bool = False
    channel: str = ""
    when: str = ""
    owner: str = ""
    sent: date | None = None


class Training(StrictModel):
    audience: str
    content: str
    due: date | None = None
    intended: int = Field(default=0, ge=0)
    completed: int = Field(default=0, ge=0)


class Phase(StrictModel):
    """A mode: for whom, and what must have been seen in it (days, cases) before the next mode may
    be entered.
    """

    mode: ModeName
    cohort: str = ""
    min_days: int = Field(default=14, ge=1)
    min_cases: int = Field(default=500, ge=1)
    enter_if: str = ""
    roll_back_if: str = ""


class Adoption(StrictModel):
    intended_users: int | None = Field(default=None, ge=0)
    targets: dict[str, float] = Field(default_factory=dict)


class ChangePlan(StrictModel):
    stakeholders: tuple[Stakeholder, ...] = ()
    workforce_impact: Workforce = Workforce()
    communications: tuple[Communication, ...] = ()
    training: tuple[Training, ...] = ()
    rollout: tuple[Phase, ...] = ()
    adoption: Adoption = Adoption()

    def phase(self, mode: str) -> Phase:
        """What the plan asks of a mode; the defaults where it says nothing."""
        return next(
            (phase for phase in self.rollout if phase.mode == mode),
            Phase.model_validate({"mode": mode}),
        )

    @field_validator("rollout")
    @classmethod
    def _once(cls, given: tuple[Phase, ...]) -> tuple[Phase, ...]:
        modes = [phase.mode for phase in given]
        if twice := next((mode for mode in modes if modes.count(mode) > 1), None):
            raise ValueError(f"{twice} is said twice; say each mode once")
        return given

    @property
    def trained(self) -> float | None:
        """Share of the intended people who have completed their training; None while nobody is
        intended.
        """
        intended = sum(item.intended for item in self.training)
        return (
            sum(min(entry.completed, entry.intended) for entry in self.training) / intended
            if intended
            else None
        )


def read_change_plan(path: Path) -> ChangePlan:
    """The plan; an empty one when there is no file. Raises GovernanceError."""
    return read(path, ChangePlan, EXAMPLE) if path.is_file() else ChangePlan()
