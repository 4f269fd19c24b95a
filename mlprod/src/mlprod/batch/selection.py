"""What is scored: the rows of a file, or of load() by time; and the four files' part in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from ..bundle.runtime import Scores
from ..contract.schema import Columns, ContractSchema
from ..deprecated import constant
from ..files.columns import of_scoring
from ..files.read import read
from ..project.project import Load, Project
from ..records.database import now
from ..serving.exploration import Exploration, let_through
from ..training.sources import NoRowsError, loaded


@dataclass(frozen=True)
class ScoringFunctions:
    """What the four files say of answers, without the model, whose libraries take a second to
    import.
    """

    terms: ContractSchema
    load: Load
    baseline: Callable[[Columns], Scores]
    decide: Callable[[float, float], Any]
    explored: Exploration | None = None


@dataclass(frozen=True)
class ScoringInput:
    """Rows to be scored, a name for their scores, where they come from, and how a file of them is
    written, in words.
    """

    table: ir.Table
    name: str
    source: str
    described: str = ""


def domain_of(project: Project) -> ScoringFunctions:
    """The project's. Raises ContractError and ExploreError."""
    decision = project.decision
    explored = let_through(constant(decision, "EXPLORATION"))
    return ScoringFunctions(
        project.terms, project.data.load, decision.baseline, decision.decide, explored
    )


def chosen(
    domain: ScoringFunctions,
    path: str | None,
    since: datetime | None,
    until: datetime | None,
    folder: Path,
) -> ScoringInput:
    """The rows of a file or of load(), by default of yesterday (UTC).

    `folder` holds what is made of a file while its rows are read. Raises NoRowsError, FileError and
    ContractError.
    """
    if path:
        if since or until:
            raise NoRowsError("--input is all of a file; --since and --until choose from load()")
        result = read(path, of_scoring(domain.terms), folder)
        return ScoringInput(result.table, result.name, result.source, result.described)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    if domain.terms.time is None:
        if since or until:
            raise NoRowsError(
                "the contract names no EVENT_TIME, so --since and --until choose nothing: "
                "leave them out"
            )
        return ScoringInput(loaded(domain.load), f"{today:%Y-%m-%d}", "load()")
    until = until or today
    since = since or until - timedelta(days=1)
    if since >= until:
        raise NoRowsError(f"--since {since} is not before --until {until}")
    name = (
        f"{since:%Y-%m-%d}"
        if until - since == timedelta(days=1)
        else f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}"
    )
    return ScoringInput(loaded(domain.load, since, until), name, f"load(), {since} to {until}")
