"""Which rows are scored, and cells of a file as the contract has them."""

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
from mlprod.batch.selection import chosen
from mlprod.contract.validation import ContractViolationError
from mlprod.files.errors import FileError
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.sources import NoRowsError

__all__ = ["place", "run", "store"]


def test_an_id_that_stands_twice_names_no_case(run: Run, store: Store, place: Path) -> None:
    with pytest.raises(ScoringError, match="parcel stands 3 times again"):
        run(pa.concat_tables([parcels(100), parcels(3)]))
    assert recorded(store) == {}


def test_a_few_bad_rows_have_no_score_and_are_not_recorded(
    run: Run, store: Store, place: Path
) -> None:
    done = run(spoilt(parcels(1_000), 3))
    assert (done.rows, done.refused, done.new) == (1_000, {"weight: above 30": 3}, 997)
    assert pq.read_table(place)["refused"].to_pylist()[:4] == ["weight: above 30"] * 3 + [None]
    assert "p00000" not in recorded(store)


def test_many_bad_rows_stop_it_before_anything_is_done(run: Run, store: Store, place: Path) -> None:
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


def test_by_default_it_is_yesterday(tmp_path: Path) -> None:
    requested: list[tuple[datetime | None, datetime | None]] = []

    def load(since: datetime | None = None, until: datetime | None = None) -> Any:
        requested.append((since, until))
        return ibis.memtable(parcels(10))

    domain, today = (
        replace(DOMAIN, load=load),
        now().replace(hour=0, minute=0, second=0, microsecond=0),
    )
    assert (
        chosen(domain, None, None, None, tmp_path).name == f"{today - timedelta(days=1):%Y-%m-%d}"
    )
    week = chosen(domain, None, datetime(2026, 6, 1), datetime(2026, 6, 3), tmp_path)
    assert week.name == "20260601T0000-20260603T0000"
    timeless = replace(domain, terms=replace(PARCELS, time=None))
    assert chosen(timeless, None, None, None, tmp_path).name == f"{today:%Y-%m-%d}"
    assert requested == [
        (today - timedelta(days=1), today),
        (datetime(2026, 6, 1), datetime(2026, 6, 3)),
        (None, None),
    ]
    with pytest.raises(NoRowsError, match="all of a file"):
        chosen(domain, "june.parquet", datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRowsError, match="names no EVENT_TIME"):
        chosen(timeless, None, datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRowsError, match="is not before"):
        chosen(domain, None, datetime(2026, 6, 2), datetime(2026, 6, 1), tmp_path)


def csv_of(rows: list[dict[str, Any]], path: Path) -> Path:
    lines = [
        ",".join("" if value is None else str(value) for value in row.values()) for row in rows
    ]
    path.write_text("\n".join([",".join(rows[0]), *lines]))
    return path


def test_cells_of_a_csv_are_what_the_contract_says(
    run: Run, store: Store, place: Path, tmp_path: Path, settings: Settings
) -> None:
    rows = parcels(400).to_pylist()
    for number, row in enumerate(rows):
        row |= {
            "parcel": f"{number:05d}",
            "stops": f"{row['stops']}.0",
        }  # as pandas writes whole numbers
    rows[7]["weight"], rows[9]["stops"], rows[11]["distance"] = "1.2 kg", "3.5", "far"
    june = csv_of(rows, tmp_path / "june.csv")
    done = score(
        DOMAIN, settings, chosen(DOMAIN, str(june), None, None, tmp_path), str(place), store, "you"
    )
    assert done.refused == {
        "distance: not a number": 1,
        "stops: not a whole number": 1,
        "weight: not a number": 1,
    }
    assert any(note.startswith("1 rows have no score: weight: not a number, for example '1.2 kg' in line 9. Works: ")
               for note in done.notes)  # fmt: skip
    assert not any("far" in note for note in done.notes), "distance is personal"
    result = pq.read_table(place)
    assert result["parcel"].to_pylist()[:2] == ["00000", "00001"]
    assert result["refused"].to_pylist()[7] == "weight: not a number"
    assert recorded(store)["00003"]["row"]["stops"] == parcels(400)["stops"].to_pylist()[3]


def test_many_cells_that_cannot_be_read_stop_it_with_line_cell_and_what_works(
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
            chosen(DOMAIN, str(june), None, None, tmp_path),
            str(place),
            store,
            "you",
        )
    assert f"weight: not a number: 400 rows, for example '{rows[0]['weight']}' in line 2" in str(
        refused.value
    )
    assert "Works: write it as 1234.5" in str(refused.value)
    assert recorded(store) == {}


def test_an_unknown_word_that_looks_like_a_known_one_is_named(run: Run) -> None:
    table = parcels(300)
    parts = ["Oslo", "oslo\u00a0", *table["city"].to_pylist()[2:]]
    done = run(table.set_column(table.column_names.index("city"), "city", pa.array(parts)))
    assert [note for note in done.notes if "city" in note] == [
        "city: 'Oslo' (other case than 'oslo') looks like a known category and counts as "
        "unknown: 1 rows",
        "city: 'oslo\\xa0' (other blanks or invisible signs: 'oslo\\xa0', not 'oslo') "
        "looks like a known category and "
        "counts as unknown: 1 rows",
    ]


def test_a_csv_that_breaks_off_is_told_by_its_line_and_not_by_its_content(tmp_path: Path) -> None:
    rows = parcels(30_000).to_pylist()
    june = csv_of(rows, tmp_path / "june.csv")
    lines = june.read_text().splitlines()
    lines[25_001] = "p25000,secret-customer"
    june.write_text("\n".join(lines))
    with pytest.raises(
        FileError, match=r"line 25002: it has 2 cells, and the first line names 10 columns"
    ) as refused:
        chosen(DOMAIN, str(june), None, None, tmp_path)
    assert "secret" not in str(refused.value)
