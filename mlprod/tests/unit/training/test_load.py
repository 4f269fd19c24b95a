"""Variants of load() run with the locked versions of Ibis, DuckDB and sqlglot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from seams import PARCELS, parcels

from mlprod.contract.validation import check
from mlprod.training.dataset import collect
from mlprod.training.sources import load_table, stream_batches

TABLE = parcels(200)


def connection() -> Any:
    return ibis.duckdb.connect()


def stored() -> ir.Table:
    return connection().create_table("parcels", TABLE)


def by_sql(_: Path) -> ir.Table:
    engine = connection()
    engine.create_table("parcels", TABLE)
    return engine.sql("select * from parcels")


def by_sql_on_a_table(_: Path) -> ir.Table:
    return stored().alias("p").sql("select * from p where true")


def by_view(_: Path) -> ir.Table:
    engine = connection()
    engine.create_view("v", engine.create_table("parcels", TABLE))
    assert {"v", "parcels"} <= set(engine.list_tables())
    return engine.table("v")


def by_database_file(folder: Path) -> ir.Table:
    engine = ibis.connect(f"duckdb://{folder / 'parcels.ddb'}")
    engine.create_table("old", TABLE.slice(0, 5))
    engine.create_table("parcels", TABLE.slice(0, 5))
    engine.drop_table("old")
    engine.insert("parcels", TABLE.slice(5))
    assert "parcels" in engine.list_tables()
    assert "old" not in engine.list_tables()
    return engine.table("parcels")


def by_parquet_folder(folder: Path) -> ir.Table:
    for part in range(2):
        pq.write_table(TABLE.slice(part * 100, 100), folder / f"{part}.parquet")
    return connection().read_parquet(folder / "*.parquet")


def by_csv(folder: Path) -> ir.Table:
    csv.write_csv(TABLE, folder / "parcels.csv")
    return connection().read_csv(folder / "parcels.csv")


def by_frame(_: Path) -> ir.Table:
    return ibis.memtable(TABLE.to_pandas())


def by_batches(_: Path) -> ir.Table:
    return ibis.memtable(pa.Table.from_batches(list(stored().to_pyarrow_batches())))


def by_join(_: Path) -> ir.Table:
    table = stored()
    labels = table.select("parcel", "late")
    return table.drop("late").left_join(labels, "parcel").drop("parcel_right")


def by_group_and_window(_: Path) -> ir.Table:
    table = stored()
    latest = table.mutate(place=ibis.row_number().over(group_by="parcel", order_by=ibis.desc("at")))
    return latest.filter(latest.place == 0).drop("place").cache()


VARIANTS = [
    by_sql,
    by_sql_on_a_table,
    by_view,
    by_database_file,
    by_parquet_folder,
    by_csv,
    by_frame,
    by_batches,
    by_join,
    by_group_and_window,
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_of_load_gives_the_same_rows(
    variant: Callable[[Path], ir.Table], tmp_path: Path
) -> None:
    table = load_table(lambda since=None, until=None: variant(tmp_path))
    report = check(table, PARCELS, "binary")
    assert report.ok, report.describe()
    assert collect(table, PARCELS).digest() == collect(ibis.memtable(TABLE), PARCELS).digest()
    assert sum(len(batch) for batch in stream_batches(table, 50)) == len(TABLE)
