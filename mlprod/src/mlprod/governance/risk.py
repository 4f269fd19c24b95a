"""Risks, and the people who may stop the system: governance/risk.yaml."""

from datetime import date
from typing import Literal

from pydantic import Field

from .yaml_loader import StrictModel

FILE = "governance/risk.yaml"
EXAMPLE = """tier_questions:
  about_people: true
  personal_data: true
  acts_without_review: false
risks:
  - id: drift
    harm: decisions go wrong after the world has changed
    mitigation: drift is monitored
    owner: model_owner"""
Tier = Literal["A", "B", "C"]
Size = Literal["low", "medium", "high"]


class TierQuestions(StrictModel):
    """Three questions that set the tier. A missing answer counts as yes."""

    about_people: bool = Field(
        default=True, description="Are the decisions about people? A missing answer counts as yes."
    )
    personal_data: bool = Field(
        default=True,
        description="Does the service process personal data? A missing answer counts as yes.",
    )
    acts_without_review: bool = Field(
        default=True,
        description="Does the system act before a person has reviewed the decision? A missing "
        "answer counts as yes.",
    )


class Classification(StrictModel):
    """The class under the EU AI Act."""

    eu_ai_act: Literal["minimal", "limited", "high", "unacceptable"] = Field(
        description="Risk class under the EU AI Act. Confirm it with counsel."
    )
    why: str = Field(default="", description="The reason for this class.")


class Risk(StrictModel):
    """Something that may go wrong."""

    id: str = Field(description="Short name of the risk.")
    harm: str = Field(description="What may happen, and to whom.")
    likelihood: Size = Field(default="medium", description="How likely it is.")
    impact: Size = Field(default="medium", description="How bad it would be.")
    mitigation: str = Field(default="", description="What reduces the risk.")
    check: str = Field(default="", description="Id of the gate or check that watches this risk.")
    owner: str = Field(default="", description="Id of the person who owns the risk.")
    residual: Size | None = Field(
        default=None, description="The risk that remains after the mitigation."
    )
    review_by: date | None = Field(default=None, description="Day of the next review.")


class Oversight(StrictModel):
    """The people who oversee the system."""

    stop: tuple[str, ...] = Field(
        default=(), description="Ids of the people who may use the kill switch."
    )
    competent_people: tuple[str, ...] = Field(
        default=(), description="Ids of the people who are able to judge the decisions."
    )


class Logging(StrictModel):
    """How long logs are kept, and the personal data in them."""

    retention_days: int | None = Field(
        default=None,
        description="Days for which logs are kept. The EU AI Act requires six months (183 days).",
    )
    personal_data: str = Field(default="", description="Personal data that the logs contain.")


class Risks(StrictModel):
    """The whole file."""

    tier_questions: TierQuestions = Field(
        default=TierQuestions(),
        description="Three questions that set the tier. Yes two or three times: A. Once: B. "
        "Never: C.",
    )
    classification: Classification | None = Field(
        default=None, description="The class under the EU AI Act."
    )
    risks: tuple[Risk, ...] = Field(default=(), description="What may go wrong.")
    oversight: Oversight = Field(
        default=Oversight(), description="The people who oversee the system."
    )
    logging: Logging = Field(
        default=Logging(), description="How long logs are kept, and the personal data in them."
    )

    @property
    def tier(self) -> Tier:
        """A for yes two or three times, B for once, C for never."""
        answers = self.tier_questions
        yes = sum((answers.about_people, answers.personal_data, answers.acts_without_review))
        return "A" if yes >= 2 else "B" if yes else "C"
