"""What the pages say of a person, a value or a list."""

from collections.abc import Iterable

from ...display.plain_text import cell
from ..config import GovernanceConfig

ABSENT = "*not said yet*"


def stage_of(org: GovernanceConfig, outcome: str) -> str:
    """Where this stands, and whom to ask."""
    system, person = org.ownership.system, org.ownership.answers_for(outcome)
    state = {
        "poc": "an experiment: nothing is decided yet",
        "pilot": "a pilot",
        "production": "in production",
    }
    return (
        f"{cell(system.name)} is {state[system.stage]}. Ask "
        f"{person_of(org, person.id) if person else ABSENT}."
    )


def person_of(org: GovernanceConfig, id: str) -> str:
    person = org.ownership.person(id)
    return f"{cell(person.name)} ({cell(id)})" if person else cell(id)


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


def words_of(id: str) -> str:
    return id.replace("_", " ")
