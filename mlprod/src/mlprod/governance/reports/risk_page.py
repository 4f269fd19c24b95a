"""Risks, oversight, and which law asks for what."""

from ...display.plain_text import cell
from ..check_catalogue import law
from ..config import GovernanceConfig
from .text import ABSENT, people_of, person_of, stage_of, value_of


def risks(org: GovernanceConfig) -> str:
    """What may go wrong, who may stop it, and how long what is kept."""
    risk = org.risk
    answers, result, logging = risk.tier_questions, risk.classification, risk.logging
    lines = [
        "# Risks and oversight",
        "",
        stage_of(org, "security_and_compliance"),
        "",
        f"Tier **{risk.tier}**. About people: {_yes(answers.about_people)}; "
        f"personal data: {_yes(answers.personal_data)}; acts without review: "
        f"{_yes(answers.acts_without_review)}.",
        f"Class under the EU AI Act: {result.eu_ai_act if result else ABSENT}. Why: "
        f"{value_of(result and result.why)}.",
        "",
        "| what may happen | likely | bad | what is done | whose | looked at again |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for item in risk.risks:
        owner = person_of(org, item.owner) if item.owner else ABSENT
        lines.append(
            f"| {cell(item.harm)} | {item.likelihood} | {item.impact} | "
            f"{value_of(item.mitigation)} | {owner} | "
            f"{value_of(item.review_by)} |"
        )
    lines += [
        "",
        "## Who may stop it",
        "",
        f"{people_of(org, risk.oversight.stop)}. "
        'The kill switch is `make set-mode MODE=shadow REASON="..."` or `POST /v1/mode`.',
        f"Able to judge its answers: {people_of(org, risk.oversight.competent_people)}.",
        "",
        f"Logs are kept for {value_of(logging.retention_days)} days.",
        f"Personal data in them: {value_of(logging.personal_data)}.",
        "",
        "## Which law asks for what",
        "",
        law().caveat,
        "",
        *(f"- {duty.article}, from {duty.applies_from}: {duty.says}" for duty in law().duties),
    ]
    return "\n".join(lines)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
