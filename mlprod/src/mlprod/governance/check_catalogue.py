"""Catalog of the checks: check_catalogue.yaml and regulation.yaml beside this file."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from .yaml_loader import StrictModel, read_yaml

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
ProjectSubject = Literal[
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
Subject = ProjectSubject | Room
"""What evidence can be about.

`code` is the library's wheel and the whole package of the project. `project` is only the project's
own files, for a check that also names packages of the library.
"""
SUBJECTS: tuple[Subject, ...] = (*get_args(ProjectSubject), *ROOMS)
Tiers = Literal["", "A", "B", "C", "AB", "BC", "ABC"]
HERE = Path(__file__).parent


class CheckDefinition(StrictModel):
    """A check. A stage requires it if its tier is listed; no tier: only the ML Test Score uses it.

    A check has `by` if evidence proves it. Without `by`, the governance files themselves are
    checked, unless nothing measures it yet (`later`).
    """

    id: str
    section: Section
    title: str = Field(description='Completes the sentence "passed: …" or "failed: …".')
    outcome: str = Field(description="The outcome whose accountable person owns the check.")
    pilot: Tiers = Field(default="", description="Tiers that require it from the pilot on.")
    production: Tiers = Field(default="", description="Tiers that require it in production only.")
    by: str = Field(default="", description="The command that writes its evidence.")
    fix: str = Field(default="", description="What to do after a failure.")
    later: bool = Field(default=False, description="No command of this version measures it.")
    tests: tuple[str, ...] = Field(
        default=(), description="Test files; the evidence is that they pass."
    )
    verified_by: tuple[str, ...] = Field(
        default=(),
        description="Tests of the library that prove the same for a patch release, so that a drill "
        "stays valid.",
    )
    by_hand: bool = Field(default=False, description="A person attests it, with a reason.")
    needs_service: bool = Field(default=False, description="The command uses a running service.")
    models_only: bool = Field(
        default=False, description="It does not apply while the baseline serves."
    )
    no_waiver: bool = Field(default=False, description="No waiver works for it.")
    tied_to: tuple[Subject, ...] = Field(
        default=(),
        description="Subjects whose change invalidates the evidence. A drill names the packages of "
        "the library that it exercises, so that a patch of another package leaves it valid.",
    )
    valid_days: int = Field(default=90, ge=1, le=366, description="Days until it is stale.")
    needs: str = Field(
        default="", pattern=r"^(|[<>]=? -?[0-9.e-]+)$", description="Condition for its value."
    )
    maps_to: tuple[str, ...] = Field(default=(), description="Articles in regulation.yaml.")

    @property
    def declared(self) -> bool:
        """Whether the governance files themselves are checked."""
        return not (self.by or self.later)

    def demanded(self, stage: str, tier: str) -> bool:
        """Whether a stage requires the check. Production requires all checks of the pilot."""
        return stage != "poc" and (
            tier in self.pilot or (stage == "production" and tier in self.production)
        )


class MlTest(StrictModel):
    """One of the 28 tests of Breck et al. (2017).

    `checks` prove it here, and a workflow repeats it with a make target of `repeated_by`.
    """

    id: str
    section: Section
    title: str
    checks: tuple[str, ...]
    repeated_by: tuple[str, ...] = ()


class Catalogue(StrictModel):
    """The content of check_catalogue.yaml."""

    checks: tuple[CheckDefinition, ...]
    ml_test_score: tuple[MlTest, ...]

    def entry(self, id: str) -> CheckDefinition | None:
        return next((entry for entry in self.checks if entry.id == id), None)


class Duty(StrictModel):
    """An article, and what it requires from a day on."""

    article: str
    says: str
    applies_from: date


class Regulation(StrictModel):
    """The content of regulation.yaml."""

    caveat: str
    duties: tuple[Duty, ...]


@cache
def catalogue() -> Catalogue:
    return read_yaml(HERE / "check_catalogue.yaml", Catalogue, "")


@cache
def regulation() -> Regulation:
    return read_yaml(HERE / "regulation.yaml", Regulation, "")
