"""The selection of the rows to score: from a file, or from load() by time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import ibis.expr.types as ir

from ..bundle.runtime import Scores
from ..contract.classes import Decide
from ..contract.schema import Columns, ContractSchema
from ..deprecated import read_constant
from ..files.columns import columns_to_score
from ..files.read import read_table
from ..project.project import Load, Project
from ..records.database import now
from ..serving.exploration import Exploration, read_exploration
from ..training.sources import NoRowsError, load_table


@dataclass(frozen=True)
class ScoringFunctions:
    """The functions of the four files for scoring.

    The model is not one of them, because its libraries take a second to import.
    """

    terms: ContractSchema
    load: Load
    baseline: Callable[[Columns], Scores]
    decide: Decide
    explored: Exploration | None = None
    # upcoming() of data.py, which is optional.
    upcoming: Load | None = None


@dataclass(frozen=True)
class ScoringInput:
    """The rows to score, a name for their scores, and their source.

    `described` is a description of the format of their file.
    """

    table: ir.Table
    name: str
    source: str
    described: str = ""


def load_scoring_functions(project: Project) -> ScoringFunctions:
    """Load the scoring functions of a project. Raises ContractError and ExplorationError."""
    decision = project.decision
    explored = read_exploration(read_constant(decision, "EXPLORATION"))
    upcoming = getattr(project.data, "upcoming", None)
    return ScoringFunctions(
        project.terms, project.data.load, decision.baseline, decision.decide, explored, upcoming
    )


def select_rows(
    domain: ScoringFunctions,
    path: str | None,
    since: datetime | None,
    until: datetime | None,
    folder: Path,
) -> ScoringInput:
    """Select the rows of a file or of load(), by default those of yesterday (UTC).

    `folder` has the converted file while its rows are read. Raises NoRowsError, FileError and
    ContractError.
    """
    if path:
        if since or until:
            raise NoRowsError(
                "--input reads the whole file, so --since and --until do not apply: leave them out"
            )
        result = read_table(path, columns_to_score(domain.terms), folder)
        return ScoringInput(result.table, result.name, result.source, result.described)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    if domain.terms.time is None:
        if since or until:
            raise NoRowsError(
                "the contract names no EVENT_TIME, so --since and --until do not apply: "
                "leave them out"
            )
        return ScoringInput(load_table(domain.load), f"{today:%Y-%m-%d}", "load()")
    until = until or today
    since = since or until - timedelta(days=1)
    if since >= until:
        raise NoRowsError(
            f"--since {since} is not before --until {until}; choose an earlier --since"
        )
    table = load_table(domain.load, since, until)
    return ScoringInput(table, period_name(since, until), f"load(), {since} to {until}")


def period_name(since: datetime, until: datetime) -> str:
    """Return the name of a file with the scores of a period: its day, or its two ends."""
    if until - since == timedelta(days=1):
        return f"{since:%Y-%m-%d}"
    return f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}"
