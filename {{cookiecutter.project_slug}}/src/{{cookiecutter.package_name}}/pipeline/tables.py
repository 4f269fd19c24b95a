"""Tables: from load(), from files, as a stream, and the cells of a column."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..contract.terms import EXACT_IN_FLOAT32, ContractError, Field, Fields

FORMATS = {".parquet": "Parquet", ".csv": "CSV"}


class Load(Protocol):
    def __call__(self, since: datetime | None = None, until: datetime | None = None) -> ir.Table: ...


class NoRows(Exception):
    """There is no such file, or nothing in it; the message says what helps."""


def loaded(load: Load, since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """The rows of load(). Raises ContractError when it gives anything but an Ibis table."""
    table = load(since, until)
    if not isinstance(table, ir.Table):
        raise ContractError(f"load() gave a {type(table).__name__}; it must give an Ibis table: ibis.memtable(frame)")
    return table


def file(path: Path, fields: Fields | None = None) -> ir.Table:
    """A file of rows. A CSV's cells are words as they stand there; with `fields`, what these say that they are.

    Raises NoRows.
    """
    if path.suffix not in FORMATS or not path.is_file():
        known = "no such file" if path.suffix in FORMATS else f"{path.suffix or 'that'} is not read"
        raise NoRows(f"{path}: {known}. A table is {' or '.join(FORMATS.values())}; for example data/june.parquet")
    connection = ibis.duckdb.connect()
    try:
        if path.suffix != ".csv":
            return connection.read_parquet(path)
        cells = connection.read_csv(path, all_varchar=True)
    except Exception as error:  # DuckDB's own
        said = str(error).partition("\n")[0]
        raise NoRows(f"{path} cannot be read as {FORMATS[path.suffix]}: {said}") from error
    return cells.mutate(**{f.name: _typed(f, cells[f.name]) for f in fields or () if f.name in cells.columns})


def _typed(field: Field, cells: Any) -> Any:
    """What a CSV's words say. A number that is none becomes one that no bounds allow, so that it is not taken for
    missing."""
    if field.kind in ("category", "text"):
        return cells
    if field.kind == "boolean":
        return cells.try_cast("boolean")
    number = cells.try_cast("float64")
    if field.kind == "number":
        return ibis.ifelse(cells.notnull() & number.isnull(), float("inf"), number)
    whole = number.isnull() | (number == number.round()) & number.between(-EXACT_IN_FLOAT32, EXACT_IN_FLOAT32)
    none = cells.notnull() & (number.isnull() | ~whole)
    return ibis.ifelse(none, 2 * EXACT_IN_FLOAT32, number.try_cast("int64")).cast("int64")


def stream(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """The table in pieces of at most so many rows, never all of it in memory where the engine can stream."""
    engine = ibis.get_backend(table)
    if engine.name != "duckdb":
        return iter(table.to_pyarrow_batches(chunk_size=rows))
    table.limit(0).to_pyarrow()  # makes tables of memory known to the engine
    # Ibis 12.0 asks for a method that DuckDB 2.0 no longer has; this is the one that took its place.
    return iter(engine.con.sql(engine.compile(table)).to_arrow_reader(rows))


def cells_of(field: Field, cells: pa.Array | pa.ChunkedArray) -> Any:
    """The cells of a field's column as `column` takes them."""
    if field.kind in ("category", "text"):
        return cells.to_pylist()
    if field.kind == "boolean":
        cells = pc.cast(cells, pa.int8())
    return np.asarray(pc.cast(cells, pa.float64(), safe=False))
