"""People of governance/ownership.yaml: identity, acceptances and skills."""

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
    """A human being. The name is TODO while nobody is named."""

    id: str = Field(description="Short name by which the other entries refer to this person.")
    name: str = Field(description="Full name; `TODO` while nobody is named.")
    email: str = Field(
        pattern=r"^(TODO|[^\s@,;<>]+@[^\s@,;<>]+)$",
        description="Email address. Commands recognize the person by git's `user.email`. `TODO` "
        "while nobody is named.",
    )
    handle: str = Field(default="", description="Account name at the git host.")
    role: str = Field(default="", description="Job title.")
    deputy: str = Field(
        default="", description="Id of the person who takes over during an absence."
    )
    from_: dt.date | None = Field(
        default=None,
        alias="from",
        description="First day on which the person can be accountable.",
    )
    until: dt.date | None = Field(default=None, description="First day without this person.")
    replaced_by: str = Field(default="", description="Id of the successor.")

    @property
    def is_named(self) -> bool:
        return not {self.name.strip(), self.email} & {"", TODO}

    @property
    def display_name(self) -> str:
        """Name and address; TODO while nobody is named."""
        return f"{self.name} <{self.email}>" if self.is_named else TODO

    def is_active(self, today: dt.date) -> bool:
        """Whether the day is between `from` and `until`."""
        return (self.from_ is None or self.from_ <= today) and (
            self.until is None or today < self.until
        )


class Team(StrictModel):
    """A group of people."""

    id: str = Field(description="Short name by which the other entries refer to this team.")
    members: tuple[str, ...] = Field(description="Ids of its people.")
    channel: str = Field(
        default="",
        description="Chat channel. A name that begins with `#` is a Slack channel, which gets "
        "the alerts.",
    )
    on_call: str = Field(
        default="", description="Id of the person who is paged beside the accountable person."
    )


class Acceptance(StrictModel):
    """A person's consent to be accountable. A named person has not accepted yet."""

    person: str = Field(description="Id of the person who accepts.")
    outcome: str = Field(description="Id of the outcome.")
    date: dt.date = Field(description="Day of the acceptance.")
    review_by: dt.date = Field(
        description="Last day on which it counts: at most a quarter (92 days) after `date`."
    )
    evidence: str = Field(
        default="",
        description="Address of the pull or merge request in which the person's account approved "
        "ownership.yaml.",
    )


class CoveredSkill(StrictModel):
    """A person who has a skill."""

    person: str = Field(description="Id of the person.")
    level: Literal["learning", "practitioner", "mentor"] = Field(
        description="How well the person has the skill."
    )


class SkillGap(StrictModel):
    """A missing skill, with an action."""

    skill: str = Field(description="One of the required skills.")
    action: Literal["train", "hire", "platform"] = Field(
        description="What closes the gap: training, a new colleague, or a platform that does it."
    )
    owner: str = Field(description="Id of the person who takes the action.")
    due: dt.date = Field(description="Day on which the action is done.")


class Skills(StrictModel):
    """Skills that the work needs, and the people who have them."""

    required: tuple[str, ...] = Field(default=SKILLS, description="Skills that the work needs.")
    covered: dict[str, tuple[CoveredSkill, ...]] = Field(
        default_factory=dict,
        description="For each skill a list of people: `person` (an id) and `level` (`learning`, "
        "`practitioner` or `mentor`). It counts if the person ran a command of this skill in the "
        "last 180 days.",
    )
    gaps: tuple[SkillGap, ...] = Field(
        default=(), description="Actions for the skills that nobody has."
    )


def mailbox(email: str) -> str:
    """The address in lower case, without a suffix after `+`: it identifies a human being."""
    name, _, host = email.lower().rpartition("@")
    return f"{name.partition('+')[0]}@{host}"
