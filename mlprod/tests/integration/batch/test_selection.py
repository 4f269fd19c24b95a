"""The selection of rows to score, and the types of a file's cells."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import DOMAIN, Run, place, recorded, run, spoilt, store
from seams import PARCELS, parcels

from mlprod.batch.job import score
from mlprod.batch.output import ScoringError
from mlprod.batch.selection import select_rows
from mlprod.contract.validation import ContractViolationError
from mlprod.files.errors import FileError
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.sources import NoRowsError

__all__ = ["place", "run", "store"]


def test_duplicate_ids_are_refused(run: Run, store: Store, place: Path) -> None:
    with pytest.raises(ScoringError, match="parcel has 3 duplicate values"):
        run(pa.concat_tables([parcels(100), parcels(3)]))
    assert recorded(store) == {}


def test_few_invalid_rows_have_no_score_and_are_not_recorded(
    run: Run, store: Store, place: Path
) -> None:
    done = run(spoilt(parcels(1_000), 3))
    assert (done.rows, done.refused, done.new) == (1_000, {"weight: above 30": 3}, 997)
    assert pq.read_table(place)["refused"].to_pylist()[:4] == ["weight: above 30"] * 3 + [None]
    assert "p00000" not in recorded(store)


def test_many_invalid_rows_stop_the_run_before_scoring(run: Run, store: Store, place: Path) -> None:
    with pytest.raises(
        ScoringError,
        match=r"more than 1% of 1,000 rows break the contract: weight: above 30: 11 rows",
    ):
        run(spoilt(parcels(1_000), 11))
    with pytest.raises(ContractViolationError, match="courier: no such column"):
        run(parcels(100).drop_columns(["courier"]))
    with pytest.raises(ScoringError, match="there are no rows"):
        run(parcels(100).slice(0, 0))
    assert not place.exists()
    assert recorded(store) == {}


def test_default_period_is_yesterday(tmp_path: Path) -> None:
    requested: list[tuple[datetime | None, datetime | None]] = []

    def load(since: datetime | None = None, until: datetime | None = None) -> Any:
        requested.append((since, until))
        return ibis.memtable(parcels(10))

    domain, today = (
        replace(DOMAIN, load=load),
        now().replace(hour=0, minute=0, second=0, microsecond=0),
    )
    assert (
        select_rows(domain, None, None, None, tmp_path).name
        == f"{today - timedelta(days=1):%Y-%m-%d}"
    )
    week = select_rows(domain, None, datetime(2026, 6, 1), datetime(2026, 6, 3), tmp_path)
    assert week.name == "20260601T0000-20260603T0000"
    timeless = replace(domain, terms=replace(PARCELS, time=None))
    assert select_rows(timeless, None, None, None, tmp_path).name == f"{today:%Y-%m-%d}"
    assert requested == [
        (today - timedelta(days=1), today),
        (datetime(2026, 6, 1), datetime(2026, 6, 3)),
        (None, None),
    ]
    with pytest.raises(NoRowsError, match="--input reads the whole file"):
        select_rows(domain, "june.parquet", datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRowsError, match="names no EVENT_TIME"):
        select_rows(timeless, None, datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRowsError, match="is not before"):
        select_rows(domain, None, datetime(2026, 6, 2), datetime(2026, 6, 1), tmp_path)


def csv_of(rows: list[dict[str, Any]], path: Path) -> Path:
    lines = [
        ",".join("" if value is None else str(value) for value in row.values()) for row in rows
    ]
    path.write_text("\n".join([",".join(rows[0]), *lines]))
    return path


def test_csv_cells_have_the_types_of_the_contract(
    run: Run, store: Store, place: Path, tmp_path: Path, settings: Settings
) -> None:
    rows = parcels(400).to_pylist()
    for number, row in enumerate(rows):
        # pandas writes whole numbers with .0
        row |= {"parcel": f"{number:05d}", "stops": f"{row['stops']}.0"}
    rows[7]["weight"], rows[9]["stops"], rows[11]["distance"] = "1.2 kg", "3.5", "far"
    june = csv_of(rows, tmp_path / "june.csv")
    done = score(
        DOMAIN,
        settings,
        select_rows(DOMAIN, str(june), None, None, tmp_path),
        str(place),
        store,
        "you",
    )
    assert done.refused == {
        "distance: not a number": 1,
        "stops: not a whole number": 1,
        "weight: not a number": 1,
    }
    first = "no score for 1 row: weight: not a number, for example '1.2 kg' in line 9. Works: "
    assert any(note.startswith(first) for note in done.notes)
    assert not any("far" in note for note in done.notes), "distance is personal"
    result = pq.read_table(place)
    assert result["parcel"].to_pylist()[:2] == ["00000", "00001"]
    assert result["refused"].to_pylist()[7] == "weight: not a number"
    assert recorded(store)["00003"]["row"]["stops"] == parcels(400)["stops"].to_pylist()[3]


def test_many_unreadable_cells_stop_the_run_with_line_cell_and_remedy(
    run: Run, store: Store, place: Path, tmp_path: Path, settings: Settings
) -> None:
    rows = parcels(400).to_pylist()
    for row in rows:
        row["weight"] = f"{row['weight']} kg"
    june = csv_of(rows, tmp_path / "june.csv")
    with pytest.raises(ScoringError) as refused:
        score(
            DOMAIN,
            settings,
            select_rows(DOMAIN, str(june), None, None, tmp_path),
            str(place),
            store,
            "you",
        )
    assert f"weight: not a number: 400 rows, for example '{rows[0]['weight']}' in line 2" in str(
        refused.value
    )
    assert "Works: write it as 1234.5" in str(refused.value)
    assert recorded(store) == {}


def test_unknown_category_that_looks_like_a_known_one_is_named(run: Run) -> None:
    table = parcels(300)
    cities = ["Oslo", "oslo\u00a0", *table["city"].to_pylist()[2:]]
    done = run(table.set_column(table.column_names.index("city"), "city", pa.array(cities)))
    assert [note for note in done.notes if "city" in note] == [
        "city: 'Oslo' (other case than 'oslo') looks like a known category and counts as "
        "unknown: 1 row",
        "city: 'oslo\\xa0' (other spaces or invisible characters: 'oslo\\xa0', not 'oslo') "
        "looks like a known category and "
        "counts as unknown: 1 row",
    ]


def test_truncated_csv_is_reported_by_line_without_its_content(tmp_path: Path) -> None:
    rows = parcels(30_000).to_pylist()
    june = csv_of(rows, tmp_path / "june.csv")
    lines = june.read_text().splitlines()
    lines[25_001] = "p25000,secret-customer"
    june.write_text("\n".join(lines))
    with pytest.raises(
        FileError, match=r"line 25002: it has 2 cells, and the first line names 10 columns"
    ) as refused:
        select_rows(DOMAIN, str(june), None, None, tmp_path)
    assert "secret" not in str(refused.value)
