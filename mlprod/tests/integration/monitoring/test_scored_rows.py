from collections.abc import Iterator
from typing import Any

import ibis
import numpy as np
import pytest
from past import RECORDED, hours, scored
from seams import PARCELS, heaviest_first, parcels

from mlprod.bundle.reference_profile import build_reference
from mlprod.monitoring import scored_rows as room
from mlprod.monitoring.drift_counts import SCORE, Counts, count_features, sum_counts
from mlprod.monitoring.scored_rows import read_scored_rows
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.store import Store
from mlprod.training.dataset import collect

pytest_plugins = ["postgres"]
BUNDLE = "f" * 64
COLUMNS = collect(ibis.memtable(parcels(3_000)), PARCELS).columns
LEARNT = build_reference(PARCELS.fields, COLUMNS, heaviest_first(COLUMNS))


@pytest.fixture
def store(records_url: str) -> Iterator[Store]:
    made = Store(records_url, 60)
    yield made
    made.engine.dispose()


def cases(rows: int, seed: int, prefix: str = "c") -> list[dict[str, Any]]:
    table = parcels(rows, seed).to_pylist()
    return [
        row | {"id": f"{prefix}{k}", "score": row["weight"] / 30, "decision": "call"}
        for k, row in enumerate(table)
    ]


def counts(store: Store, since: float = 24, until: float = 0, bundle: str = BUNDLE) -> Counts:
    tables = read_scored_rows(store, PARCELS.fields, bundle, hours(since), hours(until))
    return sum_counts(
        count_features(table, PARCELS.fields, LEARNT, PARCELS.personal, SCORE) for table in tables
    )


@pytest.mark.parametrize("piece", [100_000, 700, 1_500])
def test_records_are_counted_like_the_scored_table(
    store: Store, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHUNK_ROWS", piece)
    rows = cases(1_500, seed=8)
    for start in range(0, 1_500, 500):  # many rows of the same moment
        scored(store, rows[start : start + 500], hours(1 + start / 100))
    table = ibis.memtable(parcels(1_500, seed=8)).mutate(score=lambda t: t.weight / 30)
    expected = count_features(table, PARCELS.fields, LEARNT, PARCELS.personal)
    assert counts(store) == expected
    assert "distance" not in expected


def test_only_cases_of_the_bundle_in_its_hours_count_without_smoke_tests(
    store: Store,
) -> None:
    scored(store, cases(30, 1, "mine"), hours(1))
    scored(store, cases(40, 2, "first"), hours(24))
    scored(store, cases(50, 3, "before"), hours(24.001))
    scored(store, cases(60, 4, "other"), hours(1), bundle="e" * 64)
    scored(store, cases(70, 5, "smoke-"), hours(1))
    assert counts(store)["weight"].present == 70
    assert counts(store, since=2)["weight"].present == 30
    assert counts(store, since=48, until=24)["weight"].present == 50
    assert counts(store, bundle="d" * 64) == {}


def test_values_are_restored_exactly_and_null_is_missing(store: Store) -> None:
    edges = LEARNT.fields["weight"].edges
    rows = cases(3 * len(edges), seed=1)
    values = [value for edge in edges for value in (edge, float(np.nextafter(edge, 99)), None)]
    for row, value in zip(rows, values, strict=True):
        row["weight"] = value
    scored(store, rows, hours(1))
    result = counts(store)["weight"]
    assert result.missing == len(edges)
    assert result.cumulative == tuple(2 * place + 1 for place in range(len(edges)))


def test_hostile_categories_count_as_unknown(store: Store) -> None:
    parts = [
        "<b>",
        'a "quoted" one',
        "'; DROP TABLE predictions;--",
        "back\\slash",
        "🦉",
        "",
        "null",
        "oslo",
    ]
    rows = cases(len(parts), seed=1)
    for row, word in zip(rows, parts, strict=True):
        row["city"] = word
    scored(store, rows, hours(1))
    result = counts(store)["city"]
    assert (result.present, result.missing) == (len(parts), 0)
    assert result.cumulative == (0, 1)


def test_unavailable_database_raises_store_unavailable(tmp_path: Any) -> None:
    store = Store(f"sqlite:///{tmp_path / 'nothing.db'}")
    with pytest.raises(StoreUnavailableError, match="run the verb migrate"):
        counts(store)
    assert len(RECORDED) == len(PARCELS.fields) - len(PARCELS.personal)
