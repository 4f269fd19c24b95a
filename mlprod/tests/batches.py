"""A table of parcels that the champion scores, and its records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from conftest import Trained, release
from seams import binary
from sqlalchemy import select

from mlprod.batch.job import ScoringResult, score
from mlprod.batch.selection import ScoringFunctions, ScoringInput
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.settings import Settings
from mlprod.training.registry import Registry

DOMAIN = ScoringFunctions(binary.terms, binary.load, binary.baseline, binary.decide)
Run = Callable[..., ScoringResult]


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.records_url)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "scores" / "june.parquet"


@pytest.fixture
def run(trained: Trained, registry: Registry, settings: Settings, store: Store, place: Path) -> Run:
    """Score a table with the champion; by default it is recorded in this test's database."""
    release(registry, trained.bundle)

    def scored(
        table: pa.Table,
        domain: ScoringFunctions = DOMAIN,
        store: Store | None = store,
        source: str = "june",
    ) -> ScoringResult:
        return score(domain, settings, rows_of(table, source), str(place), store, "you")

    return scored


def rows_of(table: pa.Table, source: str = "june") -> ScoringInput:
    return ScoringInput(ibis.memtable(table), "june", source)


def recorded(store: Store) -> dict[str, dict[str, Any]]:
    with store.connected() as connection:
        return {row["id"]: dict(row) for row in connection.execute(select(predictions)).mappings()}


def spoilt(table: pa.Table, rows: int, weight: float = 31.0) -> pa.Table:
    """Return the table with another weight in its first rows, by default one that is too heavy."""
    given = table.to_pylist()
    for row in given[:rows]:
        row["weight"] = weight
    return pa.Table.from_pylist(given, schema=table.schema)
