"""What is checked: the rows of check_catalogue.yaml and regulation.yaml beside this file."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from .yaml_loader import StrictModel, read

Section = Literal["Data", "Model", "Infrastructure", "Monitoring", "Ownership", "People", "Value"]
SECTIONS: tuple[Section, ...] = (
    "Data",
    "Model",
    "Infrastructure",
    "Monitoring",
    "Ownership",
    "People",
    "Value",
)
Room = Literal[
    "mlprod.assets",
    "mlprod.batch",
    "mlprod.bundle",
    "mlprod.commands",
    "mlprod.contract",
    "mlprod.display",
    "mlprod.files",
    "mlprod.governance",
    "mlprod.installation",
    "mlprod.monitoring",
    "mlprod.ops",
    "mlprod.project",
    "mlprod.records",
    "mlprod.serving",
    "mlprod.testing",
    "mlprod.training",
]
ROOMS: tuple[Room, ...] = get_args(Room)
Own = Literal[
    "bundle",
    "domain",
    "contract",
    "gates",
    "rules",
    "ownership",
    "change_plan",
    "code",
    "image",
    "project",
]
Subject = Own | Room
"""What evidence can be about. `code`: the library's wheel and all of the project's package; `project`: the project's
own files alone, for a check that names the rooms of the library beside them."""
SUBJECTS: tuple[Subject, ...] = (*get_args(Own), *ROOMS)
Tiers = Literal["", "A", "B", "C", "AB", "BC", "ABC"]
HERE = Path(__file__).parent


class CheckDefinition(StrictModel):
    """A check.

    `pilot` and `production`: the tiers that demand it from that stage on; neither: only a score
    asks.

    `by`: the command that writes its evidence; without it the governance files themselves are
    looked at, or, when `later`, nothing of this version measures it. `fix`: what mends it once it
    has failed. `tests`: the test files whose passing is the evidence. `tied_to`: a drill names the
    rooms of the library that it exercises, so that a patch of another room leaves it valid;
    `verified_by`: the library's own tests that prove the same of a patch release, by which the
    drill stays valid. `by_hand`: somebody says so, with a reason. `needs_service`: the command
    tries a running service. `models_only`: does not apply while the baseline is what answers.
    `no_waiver`: nobody may excuse it.
    """

    id: str
    section: Section
    title: str
    outcome: str
    pilot: Tiers = ""
    production: Tiers = ""
    by: str = ""
    fix: str = ""
    later: bool = False
    tests: tuple[str, ...] = ()
    verified_by: tuple[str, ...] = ()
    by_hand: bool = False
    needs_service: bool = False
    models_only: bool = False
    no_waiver: bool = False
    tied_to: tuple[Subject, ...] = ()
    valid_days: int = Field(default=90, ge=1, le=366)
    needs: str = Field(default="", pattern=r"^(|[<>]=? -?[0-9.e-]+)$")
    maps_to: tuple[str, ...] = ()

    @property
    def declared(self) -> bool:
        return not (self.by or self.later)

    def demanded(self, stage: str, tier: str) -> bool:
        """Does a stage ask for it? Production asks for all that a pilot does."""
        return stage != "poc" and (
            tier in self.pilot or (stage == "production" and tier in self.production)
        )


class MlTest(StrictModel):
    """One of the 28 of Breck et al.

    2017, what proves it here, and the make targets that repeat it in a workflow.
    """

    id: str
    section: Section
    title: str
    checks: tuple[str, ...]
    repeated_by: tuple[str, ...] = ()


class Catalogue(StrictModel):
    checks: tuple[CheckDefinition, ...]
    ml_test_score: tuple[MlTest, ...]

    def entry(self, id: str) -> CheckDefinition | None:
        return next((entry for entry in self.checks if entry.id == id), None)


class Duty(StrictModel):
    article: str
    says: str
    applies_from: date


class Law(StrictModel):
    caveat: str
    duties: tuple[Duty, ...]


@cache
def catalogue() -> Catalogue:
    return read(HERE / "check_catalogue.yaml", Catalogue, "")


@cache
def law() -> Law:
    return read(HERE / "regulation.yaml", Law, "")
