"""The people of governance/ownership.yaml: who they are, what they have accepted, and what they can
do.
"""

import datetime as dt
from typing import Literal

from pydantic import Field

from .yaml_loader import StrictModel

TODO = "TODO"
SKILLS = (
    "ml",
    "api",
    "containers",
    "kubernetes",
    "sql_and_pipelines",
    "cloud",
    "monitoring",
    "security",
)


class Person(StrictModel):
    """One human being; `name` TODO while nobody is known. `until` is the first day without them."""

    id: str
    name: str
    email: str = Field(pattern=r"^(TODO|[^\s@,;<>]+@[^\s@,;<>]+)$")
    handle: str = ""
    role: str = ""
    deputy: str = ""
    from_: dt.date | None = Field(default=None, alias="from")
    until: dt.date | None = None
    replaced_by: str = ""

    @property
    def known(self) -> bool:
        return not {self.name.strip(), self.email} & {"", TODO}

    @property
    def shown(self) -> str:
        return f"{self.name} <{self.email}>" if self.known else TODO

    def there(self, today: dt.date) -> bool:
        return (self.from_ is None or self.from_ <= today) and (
            self.until is None or today < self.until
        )


class Team(StrictModel):
    id: str
    members: tuple[str, ...]
    channel: str = ""
    on_call: str = ""


class Acceptance(StrictModel):
    """Being named is not accepting.

    `evidence`: the merge request or commit in which that person's account agreed.
    """

    person: str
    outcome: str
    date: dt.date
    review_by: dt.date
    evidence: str = ""


class Covered(StrictModel):
    person: str
    level: Literal["learning", "practitioner", "mentor"]


class SkillGap(StrictModel):
    skill: str
    action: Literal["train", "hire", "platform"]
    owner: str
    due: dt.date


class Skills(StrictModel):
    required: tuple[str, ...] = SKILLS
    covered: dict[str, tuple[Covered, ...]] = Field(default_factory=dict)
    gaps: tuple[SkillGap, ...] = ()


def mailbox(email: str) -> str:
    """The address without what stands after a +: one human being."""
    name, _, host = email.lower().rpartition("@")
    return f"{name.partition('+')[0]}@{host}"
