"""Input of a check of the governance files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from ..config import GovernanceConfig
from ..people import Person

Rows = tuple[tuple[str, str], ...]
# The remedy in the message of a check that requires a person.
ACTIVE_PERSON = "use the id of a person in ownership.yaml who is named and active"


@dataclass(frozen=True)
class Drill:
    """A check that a person ran on a day. It shows a skill. `actor` is an email address."""

    actor: str
    check: str
    on: date


@dataclass(frozen=True)
class CheckContext:
    """The governance files on a day, and what the project contains.

    `folders` are source folders and files, `alerts` are (alert, outcome) of the alert rules,
    `outdated` are the generated files that are not up to date, `drills` are the checks that people
    ran, `personal` are the PII fields of the contract.
    """

    org: GovernanceConfig
    today: date
    folders: tuple[str, ...] = ()
    alerts: Rows = ()
    outdated: tuple[str, ...] = ()
    drills: tuple[Drill, ...] = field(default=())
    personal: tuple[str, ...] = ()

    def active_person(self, id: str) -> Person | None:
        """The person with an id; None if nobody is named there or the person is not there today."""
        person = self.org.ownership.person(id)
        return person if person and person.is_named and person.is_active(self.today) else None


Check = Callable[[CheckContext], Iterable[str]]
"""Yields a message for each finding, with file and key; none if the check passes."""


class NotApplicableError(Exception):
    """The check does not apply to this system; the message has the reason."""
