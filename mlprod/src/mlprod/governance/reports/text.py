"""Text of a person, a value or a list on a page."""

from collections.abc import Iterable

from ...display.plain_text import cell
from ..config import GovernanceConfig

ABSENT = "*not filled in yet*"
STATES = {
    "poc": "an experiment and decides nothing yet",
    "pilot": "a pilot",
    "production": "in production",
}


def stage_of(org: GovernanceConfig, outcome: str) -> str:
    """The stage of the system, and the person to contact about an outcome."""
    system, person = org.ownership.system, org.ownership.accountable_person(outcome)
    contact = person_of(org, person.id) if person else ABSENT
    return f"{cell(system.name)} is {STATES[system.stage]}.\nContact: {contact}."


def person_of(org: GovernanceConfig, id: str) -> str:
    """Name and role of a person; the role alone if no person has this id."""
    person = org.ownership.person(id)
    return f"{cell(person.name)} ({cell(spaced(id))})" if person else cell(spaced(id))


def people_of(org: GovernanceConfig, ids: Iterable[str]) -> str:
    return ", ".join(person_of(org, id) for id in ids) or ABSENT


def value_of(value: object) -> str:
    return (
        ABSENT
        if value in (None, "")
        else cell(f"{value:.15g}" if isinstance(value, float) else value)
    )


def list_of(values: Iterable[str]) -> str:
    return "; ".join(map(cell, values)) or ABSENT


def spaced(id: str) -> str:
    """An id with spaces instead of underscores."""
    return id.replace("_", " ")
