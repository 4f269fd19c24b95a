from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from seams import PARCELS, parcels

from mlprod.contract.validation import check
from mlprod.files.columns import columns_of_contract
from mlprod.files.errors import FileError
from mlprod.files.read import TableFile, read_table

GOOD = parcels(200)


def open_file(path: Path | str) -> TableFile:
    return read_table(path, columns_of_contract(PARCELS), Path())


def described(path: Path | str) -> str:
    return check(open_file(path).table, PARCELS, "binary", of_file=True).describe()


EXPECTED = check(ibis.memtable(GOOD), PARCELS, "binary").describe()


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def parts(folder: Path, *tables: pa.Table) -> Path:
    folder.mkdir()
    for place, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{place}.parquet")
    (folder / "_SUCCESS").touch()
    return folder


def test_parts_of_a_folder_are_one_table(tmp_path: Path) -> None:
    folder = parts(tmp_path / "june.parquet", GOOD.slice(0, 50), GOOD.slice(50, 0), GOOD.slice(50))
    assert described(folder) == EXPECTED
    assert open_file(folder).described == f"{folder}: 3 parts, Parquet"
    assert described(f"{folder}/part-*.parquet") == EXPECTED


def test_part_with_only_nulls_has_missing_values(tmp_path: Path) -> None:
    second = GOOD.slice(100)
    empty = replaced(second, "distance", pa.nulls(100))
    folder = parts(tmp_path / "june", GOOD.slice(0, 100), empty)
    missing = GOOD["distance"].slice(0, 100).null_count + 100
    assert f"distance: missing (allowed): {missing} rows" in described(folder)
    only = parts(tmp_path / "july", replaced(GOOD, "distance", pa.nulls(200)))
    assert "distance: missing (allowed): 200 rows" in described(only)


def test_parts_with_different_integer_types_are_one_table(tmp_path: Path) -> None:
    first, second = GOOD.slice(0, 100), GOOD.slice(100)
    small = replaced(first, "stops", first["stops"].cast(pa.int8()))
    floats = replaced(second, "stops", second["stops"].cast(pa.float64()))
    assert described(parts(tmp_path / "june", small, floats)) == EXPECTED


def test_hive_folder_names_provide_the_column(tmp_path: Path) -> None:
    for courier in ("bike", "van"):
        rows = GOOD.filter(pa.array([item == courier for item in GOOD["courier"].to_pylist()]))
        (tmp_path / "june" / f"courier={courier}").mkdir(parents=True)
        pq.write_table(
            rows.drop_columns(["courier"]),
            tmp_path / "june" / f"courier={courier}" / "part-0.parquet",
        )
    assert described(tmp_path / "june") == EXPECTED
    assert "courier from the folders' names" in open_file(tmp_path / "june").described


def test_missing_values_written_by_pandas_are_read(tmp_path: Path) -> None:
    frame = GOOD.to_pandas()
    frame["stops"] = frame["stops"].astype(float)
    frame["distance"] = frame["distance"].astype("Float64")
    frame["courier"] = frame["courier"].astype("category")
    frame.loc[3, "stops"] = np.nan
    frame.index = pd.Index(range(1_000, 1_200))
    frame[frame["weight"] >= 0].sample(frac=1, random_state=1).sort_index().to_parquet(
        tmp_path / "june.parquet"
    )
    assert "stops: missing: 1 row, for example None in row 'p00003'" in described(
        tmp_path / "june.parquet"
    ) or (
        "stops: missing: 1 row, for example nan in row 'p00003'"
        in described(tmp_path / "june.parquet")
    )
    assert (
        "the index __index_level_0__ of pandas left out"
        in open_file(tmp_path / "june.parquet").described
    )


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("weight", pa.array([Decimal("1.50")] * 200, pa.decimal256(50, 2)),
         "column 'weight' has type decimal256(50, 2), which is not supported; write it as float64"),
        ("weight", pa.array([1] * 200, pa.duration("s")),
         "column 'weight' has type duration[s], which is not supported"),
        ("weight", pa.array([[1.0]] * 200),
         "column 'weight' has type list<element: double>, which is not supported"),
        ("courier", pa.array([b"bike"] * 200),
         "column 'courier' has type binary, which is not supported; write it as string"),
    ],
)  # fmt: skip
def test_unsupported_type_is_refused(
    tmp_path: Path, name: str, values: pa.Array, message: str
) -> None:
    pq.write_table(replaced(GOOD, name, values), tmp_path / "june.parquet")
    with pytest.raises(FileError) as refused:
        open_file(tmp_path / "june.parquet")
    assert message in str(refused.value)


def test_text_column_for_a_number_is_refused_in_parquet(tmp_path: Path) -> None:
    pq.write_table(
        replaced(GOOD, "weight", GOOD["weight"].cast(pa.string())), tmp_path / "june.parquet"
    )
    assert (
        "weight: type string does not hold a number; works: write the column as float64"
        in described(tmp_path / "june.parquet")
    )


def test_inconsistent_parts_are_refused_by_name(tmp_path: Path) -> None:
    text = replaced(GOOD, "weight", GOOD["weight"].cast(pa.string()))
    with pytest.raises(
        FileError, match=r"column 'weight' is double in part-0.parquet and string in part-1.parquet"
    ):
        open_file(parts(tmp_path / "june", GOOD, text))
    with pytest.raises(
        FileError, match=r"part-1.parquet: it has no column 'stops', which the model needs"
    ):
        open_file(parts(tmp_path / "july", GOOD, GOOD.drop_columns(["stops"])))
    with pytest.raises(
        FileError, match="columns 'stops' and 'Stops' differ by case only; rename one of them"
    ):
        open_file(parts(tmp_path / "may", GOOD.append_column("Stops", GOOD["stops"])))
    with pytest.raises(
        FileError, match=r"no column 'stops', which the model needs.*Similar names: 'stops'"
    ):
        open_file(parts(tmp_path / "april", GOOD.rename_columns({"stops": "Stops"})))
    (tmp_path / "broken.parquet").write_text("no")
    with pytest.raises(FileError, match=r"broken.parquet: it cannot be read as Parquet"):
        open_file(tmp_path / "broken.parquet")
