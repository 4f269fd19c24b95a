"""Tables: from load(), as a stream, and the cells of a column."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..contract.schema import ContractError, Field
from ..project.project import Load


class NoRowsError(Exception):
    """The options choose no rows; the message says what helps."""


def loaded(load: Load, since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """The rows of load(). Raises ContractError when it gives anything but an Ibis table."""
    table = load(since, until)
    if not isinstance(table, ir.Table):
        raise ContractError(
            f"load() gave a {type(table).__name__}; it must give an Ibis table: "
            f"ibis.memtable(frame)"
        )
    return table


def stream(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """The table in pieces of at most so many rows, never all of it in memory where the engine can
    stream.
    """
    engine = ibis.get_backend(table)
    if engine.name != "duckdb":
        return iter(table.to_pyarrow_batches(chunk_size=rows))
    table.limit(0).to_pyarrow()  # makes tables of memory known to the engine
    # Ibis 12.0 asks for a method that DuckDB 2.0 no longer has; this is the one that took its
    # place.
    return iter(engine.con.sql(engine.compile(table)).to_arrow_reader(rows))


def cells_of(field: Field, cells: pa.Array | pa.ChunkedArray) -> Any:
    """The cells of a field's column as `column` takes them."""
    if field.kind in ("category", "text"):
        return cells.to_pylist()
    if field.kind == "boolean":
        cells = pc.cast(cells, pa.int8())
    return np.asarray(pc.cast(cells, pa.float64(), safe=False))
