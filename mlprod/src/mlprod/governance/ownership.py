"""Who answers for what, as governance/ownership.yaml says. The rules are in checks/ownership.py."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .people import TODO as TODO
from .people import Acceptance, Skills, mailbox
from .people import Person as Person
from .people import Team as Team
from .yaml_loader import GovernanceError, StrictModel, read

EXAMPLE = """system: {name: fraud-scoring, stage: poc}
people:
  - {id: model_owner, name: TODO, email: TODO}
outcomes:
  - {id: model_quality, accountable: model_owner}"""
NEEDED = {"model_quality"}  # stands in every bundle
Stage = Literal["poc", "pilot", "production"]
STAGES: tuple[Stage, ...] = ("poc", "pilot", "production")


class System(StrictModel):
    name: str
    domain: str = ""
    stage: Stage
    since: dt.date | None = None


class Consumer(StrictModel):
    """A system that uses the answers, and what it does without them."""

    system: str
    owner: str
    via: Literal["api", "batch", "event"]
    fallback: str = ""


class Covers(StrictModel):
    """What an outcome answers for beside itself: names of alerts, folders (globs), ids of risks."""

    alerts: tuple[str, ...] = ()
    paths: tuple[Annotated[str, Field(pattern=r"^\S+$")], ...] = ()
    risks: tuple[str, ...] = ()


class Responsibility(StrictModel):
    id: str
    accountable: str
    responsible: tuple[str, ...] = ()
    consulted: tuple[str, ...] = ()
    informed: tuple[str, ...] = ()
    covers: Covers = Covers()

    @field_validator("accountable", mode="before")
    @classmethod
    def _one(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            message = f"{len(given)} people; exactly one is accountable, others are consulted"
            raise ValueError(message)  # noqa: TRY004 - pydantic's way
        return given


class Alerting(StrictModel):
    """How alerts leave Alertmanager.

    Secrets lie in files where it runs: alert_routes.py names them.
    """

    smarthost: str = Field(default="localhost:25", pattern=r"^\S+:\d+$")
    sender: str = Field(default="alerts@localhost", pattern=r"^[^\s@]+@[^\s@]+$")
    username: str = ""
    webhook: str = Field(default="", pattern=r"^(|https?://\S+)$")
    webhook_token: bool = False
    pagerduty: bool = False


class Ci(StrictModel):
    """The CI whose runs prove themselves by a token: `issuer` as in its `iss` claim, `repository`
    as owner/name or a GitLab project's path, `branch` whose runs count as evidence for production.
    """

    issuer: str = Field(pattern=r"^(https://[^\s?#]+[^\s/?#]|http://127\.0\.0\.1:\d+)$")
    repository: str = Field(pattern=r"^[^\s/]+(/[^\s/]+)+$")
    branch: str = Field(default="main", pattern=r"^\S+$")

    @property
    def proof(self) -> str:
        """What evidence carries that a token of this CI proved."""
        return f"{self.issuer} {self.repository}@{self.branch}"


class Ownership(StrictModel):
    system: System
    ci: Ci | None = None
    people: tuple[Person, ...]
    outcomes: tuple[Responsibility, ...]
    consumers: tuple[Consumer, ...] = ()
    teams: tuple[Team, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    skills: Skills = Skills()
    alerting: Alerting = Alerting()

    def person(self, id: str) -> Person | None:
        return next((person for person in self.people if person.id == id), None)

    def by_account(self, account: str) -> Person | None:
        """The known person whose handle is this account of the git host."""
        wanted = account.lower().lstrip("@")
        return next(
            (p for p in self.people if p.known and p.handle.lower().lstrip("@") == wanted), None
        )

    def outcome(self, id: str) -> Responsibility | None:
        return next((outcome for outcome in self.outcomes if outcome.id == id), None)

    def people_of(self, ids: Iterable[str]) -> list[Person]:
        """The people behind ids, each member of a team by itself."""
        teams = {team.id: team.members for team in self.teams}
        result = [self.person(one) for id in ids for one in teams.get(id, (id,))]
        return [person for person in dict.fromkeys(result) if person]

    def answers_for(self, outcome: str) -> Person | None:
        """The accountable person of an outcome, known or not; None when the outcome is not listed."""
        result = self.outcome(outcome)
        return self.person(result.accountable) if result else None

    def accountable(self, outcome: str) -> str:
        """Name and address of the one who answers for an outcome; TODO while nobody does."""
        person = self.answers_for(outcome)
        return person.shown if person else TODO

    def same(self, one: str, other: str) -> bool:
        """Are two ids the same human being: by address, whatever stands after a +, or by the
        account's name? Two that nobody is known for are not.
        """
        first, second = self.person(one), self.person(other)
        if one == other or not (first and second and first.known and second.known):
            return one == other
        handles = {first.handle.lower().lstrip("@"), second.handle.lower().lstrip("@")}
        return mailbox(first.email) == mailbox(second.email) or (
            len(handles) == 1 and handles != {""}
        )


def read_ownership(path: Path) -> Ownership:
    """Raises GovernanceError when an outcome has no or two accountable, or an id is nobody's."""
    ownership = read(path, Ownership, EXAMPLE)
    for what, ids in (
        ("people", [p.id for p in ownership.people]),
        ("teams", [t.id for t in ownership.teams]),
    ):
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise GovernanceError(
                f"{path}: {what}: {sorted(twice)} are said twice; an id is one person or team"
            )
    if missing := NEEDED - {outcome.id for outcome in ownership.outcomes}:
        raise GovernanceError(
            f"{path}: outcomes: {sorted(missing)} is missing. What works:\n{EXAMPLE}"
        )
    for outcome in ownership.outcomes:
        if sum(other.id == outcome.id for other in ownership.outcomes) > 1:
            raise GovernanceError(
                f"{path}: outcomes: {outcome.id} is said twice; one outcome has one accountable person"
            )
    people, teams = (
        {person.id for person in ownership.people},
        {team.id for team in ownership.teams},
    )
    for key, id, allowed in _named(ownership, people, people | teams):
        if id in teams and id not in allowed:
            raise GovernanceError(
                f"{path}: {key} {id!r} is a team; one person answers, the team may be responsible"
            )
        if id not in allowed:
            raise GovernanceError(f"{path}: {key} {id!r} is not in people {sorted(people)}")
    return ownership


def _named(
    ownership: Ownership, people: set[str], anyone: set[str]
) -> Iterable[tuple[str, str, set[str]]]:
    """Every id that the file uses: where, which, and what it may be."""
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
