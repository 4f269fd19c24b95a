"""What may go wrong and who may stop it, as governance/risk.yaml says."""

from datetime import date
from typing import Literal

from .yaml_loader import StrictModel

FILE = "governance/risk.yaml"
EXAMPLE = """tier_questions: {about_people: true, personal_data: true, acts_without_review: false}
risks:
  - {id: drift, harm: wrong decisions after the world changed, mitigation: drift is watched, owner: model_owner}"""
Tier = Literal["A", "B", "C"]
Size = Literal["low", "medium", "high"]


class TierQuestions(StrictModel):
    """Three times yes or no. What is not answered counts as yes."""

    about_people: bool = True
    personal_data: bool = True
    acts_without_review: bool = True


class Classification(StrictModel):
    eu_ai_act: Literal["minimal", "limited", "high", "unacceptable"]
    why: str = ""


class Risk(StrictModel):
    id: str
    harm: str
    likelihood: Size = "medium"
    impact: Size = "medium"
    mitigation: str = ""
    check: str = ""
    owner: str = ""
    residual: Size | None = None
    review_by: date | None = None


class Oversight(StrictModel):
    """`stop`: who may stop it. `competent_people`: who is able to judge its answers."""

    stop: tuple[str, ...] = ()
    competent_people: tuple[str, ...] = ()


class Logging(StrictModel):
    retention_days: int | None = None
    personal_data: str = ""


class Risks(StrictModel):
    tier_questions: TierQuestions = TierQuestions()
    classification: Classification | None = None
    risks: tuple[Risk, ...] = ()
    oversight: Oversight = Oversight()
    logging: Logging = Logging()

    @property
    def tier(self) -> Tier:
        """A for two or three times yes, B for one, C for none."""
        answers = self.tier_questions
        yes = sum((answers.about_people, answers.personal_data, answers.acts_without_review))
        return "A" if yes >= 2 else "B" if yes else "C"
