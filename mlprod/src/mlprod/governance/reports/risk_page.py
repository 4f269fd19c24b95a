"""Page about risks, oversight and the law."""

import textwrap

from ...display.plain_text import cell
from ..check_catalogue import regulation
from ..config import GovernanceConfig
from .text import ABSENT, person_of, stage_of, value_of

WIDTH = 100


def risks(org: GovernanceConfig) -> str:
    """What may go wrong, who may stop the system, and how long logs are kept."""
    risk, law = org.risk, regulation()
    answers, result, logging = risk.tier_questions, risk.classification, risk.logging
    days = ABSENT if logging.retention_days is None else f"{logging.retention_days} days"
    lines = [
        "# Risks and oversight",
        "",
        stage_of(org, "security_and_compliance"),
        "",
        f"Tier **{risk.tier}**. Decisions about people: {_yes(answers.about_people)}. "
        f"Personal data: {_yes(answers.personal_data)}. Acts before a review: "
        f"{_yes(answers.acts_without_review)}.",
        f"Class under the EU AI Act: {result.eu_ai_act if result else ABSENT}. Reason: "
        f"{value_of(result and result.why)}.",
        "",
        "| what may happen | likelihood | impact | mitigation | owner | next review |",
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
        "## Who may stop the system",
        "",
        *_items(org, risk.oversight.stop),
        "",
        'The kill switch is `make set-mode MODE=shadow REASON="..."` or `POST /v1/mode`.',
        "",
        "## Who is able to judge its decisions",
        "",
        *_items(org, risk.oversight.competent_people),
        "",
        "## Logs",
        "",
        f"- Kept for: {days}",
        f"- Personal data in them: {value_of(logging.personal_data)}",
        "",
        "## What the law requires",
        "",
        *textwrap.wrap(law.caveat, WIDTH),
        "",
    ]
    for duty in law.duties:
        text = f"- {duty.article}, from {duty.applies_from}: {duty.says}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def _items(org: GovernanceConfig, ids: tuple[str, ...]) -> list[str]:
    return [f"- {person_of(org, id)}" for id in ids] or [ABSENT]


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
