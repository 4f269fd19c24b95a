"""What may go wrong and who may stop it, as governance/risk.yaml says."""

from collections.abc import Iterator
from datetime import date
from typing import Literal

from .check_context import Check, View
from .yaml_loader import Record

FILE = "governance/risk.yaml"
EXAMPLE = """tier_questions: {about_people: true, personal_data: true, acts_without_review: false}
risks:
  - {id: drift, harm: wrong decisions after the world changed, mitigation: drift is watched, owner: model_owner}"""
Tier = Literal["A", "B", "C"]
Size = Literal["low", "medium", "high"]


class TierQuestions(Record):
    """Three times yes or no. What is not answered counts as yes."""

    about_people: bool = True
    personal_data: bool = True
    acts_without_review: bool = True


class Classification(Record):
    eu_ai_act: Literal["minimal", "limited", "high", "unacceptable"]
    why: str = ""


class Risk(Record):
    id: str
    harm: str
    likelihood: Size = "medium"
    impact: Size = "medium"
    mitigation: str = ""
    check: str = ""
    owner: str = ""
    residual: Size | None = None
    review_by: date | None = None


class Oversight(Record):
    """`stop`: who may stop it. `competent_people`: who is able to judge its answers."""

    stop: tuple[str, ...] = ()
    competent_people: tuple[str, ...] = ()


class Logging(Record):
    retention_days: int | None = None
    personal_data: str = ""


class Risks(Record):
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


def owned(view: View) -> Iterator[str]:
    if not view.org.risk.risks:
        yield f"{FILE}: risks: none is said; no system is without"
    for position, risk in enumerate(view.org.risk.risks):
        key = f"{FILE}: risks[{position}] ({risk.id})"
        if not risk.mitigation:
            yield f"{key}: mitigation is not said"
        if view.known(risk.owner) is None:
            yield f"{key}: owner: {risk.owner or 'nobody'} is no known person of ownership.yaml"
        if risk.review_by is None or risk.review_by < view.today:
            yield f"{key}: review_by: {risk.review_by or 'no day'}; set the day of the next review"


def classified(view: View) -> Iterator[str]:
    found = view.org.risk.classification
    if found is None or not found.why:
        yield f"{FILE}: classification: say eu_ai_act and why; confirm it with counsel"
    elif found.eu_ai_act == "unacceptable":
        yield f"{FILE}: classification.eu_ai_act: unacceptable; such a system must not be built"


def overseen(view: View) -> Iterator[str]:
    for key, ids in vars(view.org.risk.oversight).items():
        if not any(view.known(id) for id in ids):
            yield f"{FILE}: oversight.{key}: names no known person of ownership.yaml"


def kept(view: View) -> Iterator[str]:
    """At least six months: EU AI Act, article 26(6)."""
    days = view.org.risk.logging.retention_days
    if days is None or days < 183:
        yield f"{FILE}: logging.retention_days: {days or 'not said'}; six months (183) at least, confirm with counsel"


CHECKS: dict[str, Check] = {
    "risks-owned": owned,
    "risk-classified": classified,
    "oversight-named": overseen,
    "logs-kept": kept,
}
