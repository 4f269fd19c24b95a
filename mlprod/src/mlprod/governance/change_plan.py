"""Preparation of the people affected by the change: governance/change_plan.yaml."""

import datetime as dt
from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from ..modes import ModeName
from .yaml_loader import StrictModel, read_yaml

FILE = "governance/change_plan.yaml"
EXAMPLE = """rollout:
  - mode: shadow
    min_days: 14
    min_cases: 500
training:
  - audience: reviewers
    content: what it does, its limits, how to overrule it
    intended: 12
    completed: 0"""
# Share of the intended people; a heuristic of practitioners.
MIN_TRAINED_SHARE = 0.9


class Consultation(StrictModel):
    """A consultation of a group."""

    date: dt.date = Field(description="Day of the consultation.")
    ref: str = Field(description="Title or address of its notes.")


class Stakeholder(StrictModel):
    """A group that uses the decisions or is affected by them."""

    group: str = Field(description="Name of the group.")
    size: int | None = Field(default=None, description="Number of its people.")
    concerns: tuple[str, ...] = Field(default=(), description="What worries the group.")
    champion: str = Field(default="", description="Person in the group who supports the change.")
    consulted: tuple[Consultation, ...] = Field(
        default=(), description="When the group was consulted about its work today."
    )


class WorkforceImpact(StrictModel):
    """The answer to "Will I lose my job?"."""

    answer: str = Field(default="", description='The answer to "Will I lose my job?".')
    tasks_removed: tuple[str, ...] = Field(default=(), description="Tasks that end.")
    tasks_added: tuple[str, ...] = Field(default=(), description="Tasks that are new.")
    reviewed_by: str = Field(
        default="", description="Who reviewed the answer, such as the works council."
    )
    informed_on: dt.date | None = Field(
        default=None, alias="told_on", description="Day on which the people were informed."
    )

    @model_serializer(mode="wrap")
    def _by_key(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The content with the key of the file, so that the digest of a plan stays the same."""
        content: dict[str, Any] = handler(self)
        return {("told_on" if key == "informed_on" else key): content[key] for key in content}


class Communication(StrictModel):
    """A message to a group."""

    audience: str = Field(description="Who gets the message.")
    message: str = Field(description="Its content.")
    limits_first: bool = Field(
        default=False, description="Whether it begins with what the system cannot do."
    )
    channel: str = Field(default="", description="How it reaches the audience.")
    when: str = Field(default="", description="When it is due, in words.")
    owner: str = Field(default="", description="Id of the person who is accountable for it.")
    sent: dt.date | None = Field(default=None, description="Day on which it was sent.")


class Training(StrictModel):
    """A training for a group."""

    audience: str = Field(description="Who is trained.")
    content: str = Field(description="What the training is about.")
    due: dt.date | None = Field(default=None, description="Day on which all have completed it.")
    intended: int = Field(default=0, ge=0, description="Number of people to train.")
    completed: int = Field(default=0, ge=0, description="Number of people who completed it.")


class Phase(StrictModel):
    """A step of the rollout."""

    mode: ModeName = Field(
        description="Decision mode: `shadow` shows no decision to people, in `assist` a person "
        "decides, in `automate` a system acts."
    )
    cohort: str = Field(default="", description="Who sees the decisions.")
    min_days: int = Field(
        default=14, ge=1, description="Days with cases in this mode before the next one may start."
    )
    min_cases: int = Field(
        default=500, ge=1, description="Cases in this mode before the next one may start."
    )
    enter_if: str = Field(default="", description="Condition to start this mode, in words.")
    roll_back_if: str = Field(default="", description="Condition to leave it again, in words.")


class Adoption(StrictModel):
    """Who should use the system, and how much."""

    intended_users: int | None = Field(
        default=None, ge=0, description="Number of people who should use the system."
    )
    targets: dict[str, float] = Field(
        default_factory=dict, description="Targets of your own by name, such as active_users: 0.8."
    )


class ChangePlan(StrictModel):
    """The whole file."""

    stakeholders: tuple[Stakeholder, ...] = Field(
        default=(), description="Groups that use the decisions or are affected by them."
    )
    workforce_impact: WorkforceImpact = Field(
        default=WorkforceImpact(), description="What changes for jobs and tasks."
    )
    communications: tuple[Communication, ...] = Field(
        default=(), description="Messages to the people affected."
    )
    training: tuple[Training, ...] = Field(default=(), description="Trainings for the users.")
    rollout: tuple[Phase, ...] = Field(
        default=(), description="Steps of the rollout, one for each decision mode."
    )
    adoption: Adoption = Field(
        default=Adoption(), description="Who should use the system, and how much."
    )

    def phase(self, mode: str) -> Phase:
        """The plan's step for a mode; one with the default figures if the plan has none."""
        return next(
            (phase for phase in self.rollout if phase.mode == mode),
            Phase.model_validate({"mode": mode}),
        )

    @field_validator("rollout")
    @classmethod
    def _require_unique_modes(cls, given: tuple[Phase, ...]) -> tuple[Phase, ...]:
        modes = [phase.mode for phase in given]
        if duplicate := next((mode for mode in modes if modes.count(mode) > 1), None):
            raise ValueError(f"{duplicate} appears twice; keep one step for each mode")
        return given

    @property
    def trained_share(self) -> float | None:
        """Share of the intended people who completed their training; None if nobody is intended."""
        intended = sum(item.intended for item in self.training)
        return (
            sum(min(entry.completed, entry.intended) for entry in self.training) / intended
            if intended
            else None
        )


def read_change_plan(path: Path) -> ChangePlan:
    """Read the plan; an empty one if the file does not exist. Raises GovernanceError."""
    return read_yaml(path, ChangePlan, EXAMPLE) if path.is_file() else ChangePlan()
