"""Who answers for what, as governance/ownership.yaml says."""

from pathlib import Path
from typing import Literal

from .files import GovernanceError, Record, read

EXAMPLE = """system: {name: fraud-scoring, stage: poc}
people:
  - {id: model_owner, name: TODO, email: TODO}
outcomes:
  - {id: model_quality, accountable: model_owner}"""
TODO = "TODO"
NEEDED = {"model_quality"}  # stands in every bundle


class Person(Record):
    id: str
    name: str
    email: str


class Outcome(Record):
    id: str
    accountable: str


class System(Record):
    name: str
    stage: Literal["poc", "pilot", "production"]


class Ownership(Record):
    system: System
    people: tuple[Person, ...]
    outcomes: tuple[Outcome, ...]

    def accountable(self, outcome: str) -> str:
        """Name and address of the one who answers for an outcome; TODO while nobody does."""
        person = next((p for o in self.outcomes if o.id == outcome for p in self.people if p.id == o.accountable), None)
        return TODO if person is None or person.name == TODO else f"{person.name} <{person.email}>"


def read_ownership(path: Path) -> Ownership:
    """Raises GovernanceError when an outcome has no or two accountable, or one who is not among the people."""
    ownership = read(path, Ownership, EXAMPLE)
    ids = [person.id for person in ownership.people]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise GovernanceError(f"{path}: people: {sorted(twice)} are said twice; an id is one person")
    if missing := NEEDED - {outcome.id for outcome in ownership.outcomes}:
        raise GovernanceError(f"{path}: outcomes: {sorted(missing)} is missing. What works:\n{EXAMPLE}")
    for outcome in ownership.outcomes:
        if outcome.accountable not in ids:
            raise GovernanceError(
                f"{path}: outcomes: {outcome.id}: accountable {outcome.accountable!r} is not in people {ids}"
            )
        if sum(other.id == outcome.id for other in ownership.outcomes) > 1:
            raise GovernanceError(
                f"{path}: outcomes: {outcome.id} is said twice; one outcome has one accountable person"
            )
    return ownership
