"""Access to tables: rows from load(), batches of a table, cells of a column."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..contract.schema import ContractError, Field
from ..files.errors import NoSuchFileError
from ..project.project import Load


class NoRowsError(Exception):
    """The options select no rows; the message describes the remedy."""


def describe_absence(error: Exception) -> str:
    """Return why load() has no rows on this machine; empty if the error has another cause.

    Files of data/ are not committed, and an address may be in a variable.
    """
    if isinstance(error, FileNotFoundError | NoSuchFileError | duckdb.IOException):
        return str(error).splitlines()[0]
    if isinstance(error, KeyError) and str(error.args[0]).isupper():
        return f"the variable {error.args[0]} is not set"
    return ""


def load_table(
    load: Load,
    since: datetime | None = None,
    until: datetime | None = None,
    name: str = "load()",
) -> ir.Table:
    """Return the table of load(), or of the function `name`.

    Raises ContractError if it is not an Ibis table.
    """
    table = load(since, until)
    if not isinstance(table, ir.Table):
        raise ContractError(
            f"{name} returned a {type(table).__name__}; it must return an Ibis table, for example "
            "ibis.memtable(frame)"
        )
    return table


def stream_batches(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """Return the table in batches of at most `rows` rows.

    If the engine can stream, the whole table is never in memory.
    """
    engine = ibis.get_backend(table)
    if engine.name != "duckdb":
        return iter(table.to_pyarrow_batches(chunk_size=rows))
    # Registers in-memory tables with the engine.
    table.limit(0).to_pyarrow()
    # Ibis 12.0 calls a method that DuckDB 2.0 has removed; this is its replacement.
    return iter(engine.con.sql(engine.compile(table)).to_arrow_reader(rows))


def cells_of(field: Field, cells: pa.Array | pa.ChunkedArray) -> Any:
    """Convert the cells of a field's column to what contract.encoding.column() accepts."""
    if field.kind in ("category", "text"):
        return cells.to_pylist()
    if field.kind == "boolean":
        cells = pc.cast(cells, pa.int8())
    if field.kind == "date":
        cells = pc.cast(cells, pa.int32())
    if field.kind == "datetime":
        microseconds = pc.cast(pc.cast(cells, pa.timestamp("us"), safe=False), pa.int64())
        return np.asarray(pc.cast(microseconds, pa.float64(), safe=False)) / 1e6
    return np.asarray(pc.cast(cells, pa.float64(), safe=False))
