"""What a check may look at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from ..config import GovernanceConfig
from ..people import Person

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drill:
    """Somebody (an e-mail address) did something on a day that shows a skill."""

    actor: str
    check: str
    on: date


@dataclass(frozen=True)
class CheckContext:
    """The organisation on a day, and what lies in the project: source folders, (alert, outcome) of
    the rules, generated files that are not up to date, who ran what lately, and the contract's
    fields about a person.
    """

    org: GovernanceConfig
    today: date
    folders: tuple[str, ...] = ()
    alerts: Rows = ()
    outdated: tuple[str, ...] = ()
    drills: tuple[Drill, ...] = field(default=())
    personal: tuple[str, ...] = ()

    def known(self, id: str) -> Person | None:
        """The person of an id, if a human being is named there who has not left."""
        person = self.org.ownership.person(id)
        return person if person and person.known and person.there(self.today) else None


Check = Callable[[CheckContext], Iterable[str]]
"""Says what is missing, each with file and key; nothing when all is well."""


class NotApplicableError(Exception):
    """The check asks for what this system has not; the message says why."""
