"""People and their outcomes: governance/ownership.yaml. checks/ownership.py has the rules."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .people import TODO as TODO
from .people import Acceptance, Skills, mailbox
from .people import Person as Person
from .people import Team as Team
from .yaml_loader import GovernanceError, StrictModel, read_yaml

EXAMPLE = """system:
  name: fraud-scoring
  stage: poc
people:
  - id: model_owner
    name: TODO
    email: TODO
outcomes:
  - id: model_quality
    accountable: model_owner"""
# Every bundle names the person accountable for this outcome.
REQUIRED_OUTCOMES = {"model_quality"}
Stage = Literal["poc", "pilot", "production"]
STAGES: tuple[Stage, ...] = ("poc", "pilot", "production")


class System(StrictModel):
    """The system that the files are about."""

    name: str = Field(description="Name of the system, as in its metrics and alerts.")
    domain: str = Field(default="", description="Business domain, as in the Backstage catalog.")
    stage: Stage = Field(description="Stage of the system. `make advance-stage` sets it.")
    since: dt.date | None = Field(default=None, description="First day of this stage.")


class Consumer(StrictModel):
    """A system that uses the decisions."""

    system: str = Field(description="Name of the consuming system.")
    owner: str = Field(description="Who owns it, in words.")
    via: Literal["api", "batch", "event"] = Field(description="How it gets the decisions.")
    fallback: str = Field(default="", description="What it does if no decision arrives.")


class CoveredItems(StrictModel):
    """The alerts, folders and risks that belong to an outcome."""

    alerts: tuple[str, ...] = Field(default=(), description="Names of alerts.")
    paths: tuple[Annotated[str, Field(pattern=r"^\S+$")], ...] = Field(
        default=(), description="Folders and files, as glob patterns."
    )
    risks: tuple[str, ...] = Field(default=(), description="Ids of risks in risk.yaml.")


class Responsibility(StrictModel):
    """An outcome, and the roles of people and teams in it."""

    id: str = Field(description="Id of the outcome, such as `model_quality`.")
    accountable: str = Field(description="Id of exactly one person.")
    responsible: tuple[str, ...] = Field(
        default=(), description="Ids of the people and teams who do the work."
    )
    consulted: tuple[str, ...] = Field(
        default=(), description="Ids of the people and teams to consult before a change."
    )
    informed: tuple[str, ...] = Field(
        default=(), description="Ids of the people and teams to inform after a change."
    )
    covers: CoveredItems = Field(
        default=CoveredItems(),
        description="The alerts, folders and risks that belong to this outcome.",
    )

    @field_validator("accountable", mode="before")
    @classmethod
    def _require_one_person(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            message = f"{len(given)} people; exactly one is accountable, others are consulted"
            raise ValueError(message)  # noqa: TRY004 - pydantic's way
        return given


class Alerting(StrictModel):
    """How Alertmanager sends alerts.

    Its secrets are files on the machine where it runs: alert_routes.py has their names.
    """

    smarthost: str = Field(
        default="localhost:25", pattern=r"^\S+:\d+$", description="Mail server and its port."
    )
    sender: str = Field(
        default="alerts@localhost",
        pattern=r"^[^\s@]+@[^\s@]+$",
        description="Sender address of the mails.",
    )
    username: str = Field(
        default="",
        description="User at the mail server. Its password is a file of Alertmanager's.",
    )
    webhook: str = Field(
        default="",
        pattern=r"^(|https?://\S+)$",
        description="Address that also gets each alert for a person, as JSON.",
    )
    webhook_token: bool = Field(
        default=False, description="Whether the webhook requires a bearer token, from a file."
    )
    pagerduty: bool = Field(
        default=False, description="Whether pages go to PagerDuty too, with a key from a file."
    )


class Ci(StrictModel):
    """The CI whose runs prove their identity with a token."""

    issuer: str = Field(
        pattern=r"^(https://[^\s?#]+[^\s/?#]|http://127\.0\.0\.1:\d+)$",
        description="Issuer of the token, as in its `iss` claim.",
    )
    repository: str = Field(
        pattern=r"^[^\s/]+(/[^\s/]+)+$",
        description="Repository as owner/name, or the path of a GitLab project.",
    )
    branch: str = Field(
        default="main",
        pattern=r"^\S+$",
        description="Branch whose runs count as evidence for production.",
    )

    @property
    def proof(self) -> str:
        """The `proof` of evidence that a token of this CI proved."""
        return f"{self.issuer} {self.repository}@{self.branch}"


class Ownership(StrictModel):
    """The whole file."""

    system: System = Field(description="The system that the files are about.")
    ci: Ci | None = Field(
        default=None, description="The CI whose runs prove their identity with a token."
    )
    people: tuple[Person, ...] = Field(description="Everybody whom another entry names.")
    outcomes: tuple[Responsibility, ...] = Field(
        description="What people are accountable for, with one accountable person each."
    )
    consumers: tuple[Consumer, ...] = Field(
        default=(), description="Systems that use the decisions."
    )
    teams: tuple[Team, ...] = Field(default=(), description="Groups of people.")
    accepted: tuple[Acceptance, ...] = Field(
        default=(), description="Who has accepted to be accountable."
    )
    skills: Skills = Field(
        default=Skills(), description="Skills that the work needs, and the people who have them."
    )
    alerting: Alerting = Field(default=Alerting(), description="How Alertmanager sends alerts.")

    def person(self, id: str) -> Person | None:
        return next((person for person in self.people if person.id == id), None)

    def by_account(self, account: str) -> Person | None:
        """The named person whose handle is this account of the git host."""
        wanted = account.lower().lstrip("@")
        return next(
            (p for p in self.people if p.is_named and p.handle.lower().lstrip("@") == wanted), None
        )

    def outcome(self, id: str) -> Responsibility | None:
        return next((outcome for outcome in self.outcomes if outcome.id == id), None)

    def people_of(self, ids: Iterable[str]) -> list[Person]:
        """The people behind ids. A team is replaced by its members."""
        teams = {team.id: team.members for team in self.teams}
        result = [self.person(one) for id in ids for one in teams.get(id, (id,))]
        return [person for person in dict.fromkeys(result) if person]

    def accountable_person(self, outcome: str) -> Person | None:
        """The accountable person of an outcome, named or not; None if the file has no such one."""
        result = self.outcome(outcome)
        return self.person(result.accountable) if result else None

    def accountable(self, outcome: str) -> str:
        """Name and address of the accountable person; TODO while nobody is named."""
        person = self.accountable_person(outcome)
        return person.display_name if person else TODO

    def is_same_person(self, one: str, other: str) -> bool:
        """Whether two ids are the same human being: by mailbox, or by account name.

        Two ids without a named person are different.
        """
        first, second = self.person(one), self.person(other)
        if one == other or not (first and second and first.is_named and second.is_named):
            return one == other
        handles = {first.handle.lower().lstrip("@"), second.handle.lower().lstrip("@")}
        return mailbox(first.email) == mailbox(second.email) or (
            len(handles) == 1 and handles != {""}
        )


def read_ownership(path: Path) -> Ownership:
    """Read the file.

    Raises GovernanceError if an outcome has not exactly one accountable person, an id appears
    twice, or an id names nobody.
    """
    ownership = read_yaml(path, Ownership, EXAMPLE)
    for what, ids in (
        ("people", [p.id for p in ownership.people]),
        ("teams", [t.id for t in ownership.teams]),
    ):
        if duplicates := {name for name in ids if ids.count(name) > 1}:
            raise GovernanceError(
                f"{path}: {what}: {sorted(duplicates)} appear twice; an id is one person or team"
            )
    if missing := REQUIRED_OUTCOMES - {outcome.id for outcome in ownership.outcomes}:
        raise GovernanceError(
            f"{path}: outcomes: {sorted(missing)} is missing. What works:\n{EXAMPLE}"
        )
    for outcome in ownership.outcomes:
        if sum(other.id == outcome.id for other in ownership.outcomes) > 1:
            raise GovernanceError(
                f"{path}: outcomes: {outcome.id} appears twice; one outcome has one accountable "
                f"person"
            )
    people, teams = (
        {person.id for person in ownership.people},
        {team.id for team in ownership.teams},
    )
    for key, id, allowed in _references(ownership, people, people | teams):
        if id in teams and id not in allowed:
            raise GovernanceError(
                f"{path}: {key} {id!r} is a team; name one person, and the team as responsible"
            )
        if id not in allowed:
            raise GovernanceError(f"{path}: {key} {id!r} is not in people {sorted(people)}")
    return ownership


def _references(
    ownership: Ownership, people: set[str], anyone: set[str]
) -> Iterable[tuple[str, str, set[str]]]:
    """(key, id, allowed ids) of every place of the file that names an id."""
    for outcome in ownership.outcomes:
        yield f"outcomes: {outcome.id}: accountable", outcome.accountable, people
        for role in ("responsible", "consulted", "informed"):
            for id in getattr(outcome, role):
                yield f"outcomes: {outcome.id}: {role}", id, anyone
    for person in ownership.people:
        for role in ("deputy", "replaced_by"):
            if id := getattr(person, role):
                yield f"people: {person.id}: {role}", id, people
    for team in ownership.teams:
        for id in (*team.members, *filter(None, [team.on_call])):
            yield f"teams: {team.id}", id, people
    for acceptance in ownership.accepted:
        yield "accepted: person", acceptance.person, people
    for skill, covered in ownership.skills.covered.items():
        for one in covered:
            yield f"skills: covered: {skill}: person", one.person, people
    for gap in ownership.skills.gaps:
        yield f"skills: gaps: {gap.skill}: owner", gap.owner, people
