"""Checks of what may go wrong and who may stop it."""

from collections.abc import Iterator

from ..risk import FILE
from .context import Check, CheckContext


def owned(view: CheckContext) -> Iterator[str]:
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


def classified(view: CheckContext) -> Iterator[str]:
    result = view.org.risk.classification
    if result is None or not result.why:
        yield f"{FILE}: classification: say eu_ai_act and why; confirm it with counsel"
    elif result.eu_ai_act == "unacceptable":
        yield f"{FILE}: classification.eu_ai_act: unacceptable; such a system must not be built"


def overseen(view: CheckContext) -> Iterator[str]:
    for key, ids in vars(view.org.risk.oversight).items():
        if not any(view.known(id) for id in ids):
            yield f"{FILE}: oversight.{key}: names no known person of ownership.yaml"


def kept(view: CheckContext) -> Iterator[str]:
    """At least six months: EU AI Act, article 26(6)."""
    days = view.org.risk.logging.retention_days
    if days is None or days < 183:
        yield (
            f"{FILE}: logging.retention_days: {days or 'not said'}; six months (183) at least, "
            f"confirm with counsel"
        )


CHECKS: dict[str, Check] = {
    "risks-owned": owned,
    "risk-classified": classified,
    "oversight-named": overseen,
    "logs-kept": kept,
}
