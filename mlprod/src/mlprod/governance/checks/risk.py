"""Checks of the risks, the oversight and the logs."""

from collections.abc import Iterator

from ..risk import FILE
from .context import ACTIVE_PERSON, Check, CheckContext

# Six months: EU AI Act, article 26(6).
MIN_RETENTION_DAYS = 183


def risks_owned(context: CheckContext) -> Iterator[str]:
    if not context.org.risk.risks:
        yield f"{FILE}: risks: none; add at least one, because every system has risks"
    for position, risk in enumerate(context.org.risk.risks):
        key = f"{FILE}: risks[{position}] ({risk.id})"
        if not risk.mitigation:
            yield f"{key}: mitigation is not filled in"
        if context.active_person(risk.owner) is None:
            yield (f"{key}: owner: {risk.owner or 'nobody'}; {ACTIVE_PERSON}")
        if risk.review_by is None or risk.review_by < context.today:
            yield f"{key}: review_by: {risk.review_by or 'no day'}; set the day of the next review"


def risk_classified(context: CheckContext) -> Iterator[str]:
    result = context.org.risk.classification
    if result is None or not result.why:
        yield f"{FILE}: classification: fill in eu_ai_act and why; confirm them with counsel"
    elif result.eu_ai_act == "unacceptable":
        yield f"{FILE}: classification.eu_ai_act: unacceptable; such a system must not be built"


def oversight_named(context: CheckContext) -> Iterator[str]:
    for key, ids in vars(context.org.risk.oversight).items():
        if not any(context.active_person(id) for id in ids):
            yield (f"{FILE}: oversight.{key}: {', '.join(ids) or 'nobody'}; {ACTIVE_PERSON}")


def logs_kept(context: CheckContext) -> Iterator[str]:
    """Logs that are kept for less than six months."""
    days = context.org.risk.logging.retention_days
    if days is None or days < MIN_RETENTION_DAYS:
        yield (
            f"{FILE}: logging.retention_days: {days or 'not filled in'}; at least six months "
            f"({MIN_RETENTION_DAYS}) are required, confirm with counsel"
        )


CHECKS: dict[str, Check] = {
    "risks-owned": risks_owned,
    "risk-classified": risk_classified,
    "oversight-named": oversight_named,
    "logs-kept": logs_kept,
}
