"""Recently scored rows, read from the records in chunks.

Chunks keep memory flat, and no writer has to wait.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from sqlalchemy import Text, cast, select, tuple_

from ..contract.schema import Fields
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import predictions
from .drift_counts import CLASS, SCORE

CHUNK_ROWS = 100_000  # rows in memory at once
TYPES = {
    "number": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "category": "VARCHAR",
    "text": "VARCHAR",
    "date": "DATE",
    "datetime": "TIMESTAMP",
}
KINDS = {"DOUBLE": dt.float64, "BIGINT": dt.int64, "BOOLEAN": dt.boolean, "VARCHAR": dt.string}
KINDS |= {"DATE": dt.date, "TIMESTAMP": dt.timestamp}


def read_scored_rows(
    store: Store, fields: Fields, bundle: str, since: datetime, until: datetime
) -> Iterator[ir.Table]:
    """Yield tables of the rows that a bundle scored from `since` until before `until` (UTC).

    The columns are the fields, SCORE, and CLASS if scores by class are recorded. A field that is
    not recorded, such as a PII field, is missing everywhere. Raises StoreUnavailableError.
    """
    # The row stays JSON text: DuckDB parses it faster than Python.
    row = cast(predictions.c.row, Text)
    requested = (
        select(predictions.c.at, predictions.c.id, predictions.c.score, predictions.c.scores, row)
        .where(predictions.c.at < until, predictions.c.bundle == bundle)
        .where(of_cases(predictions))
        .order_by(predictions.c.at, predictions.c.id)
        .limit(CHUNK_ROWS)
    )
    last, after = (since, ""), predictions.c.at >= since
    while True:
        with store.reading() as connection:
            rows = connection.execute(requested.where(after)).all()
        if not rows:
            return
        _, _, scores, shares, texts = zip(*rows, strict=True)
        columns = {SCORE: pa.array(scores, pa.float64()), "row": pa.array(texts, pa.string())}
        if any(shares):
            top = [item and max(item, key=item.__getitem__) for item in shares]
            columns[CLASS] = pa.array(top, pa.string())
        yield _unpack_json(pa.table(columns), fields)
        last = rows[-1][0], rows[-1][1]
        after = tuple_(predictions.c.at, predictions.c.id) > tuple_(*last)


def _unpack_json(rows: pa.Table, fields: Fields) -> ir.Table:
    """Return the row's JSON as columns, parsed within the scan that counts them."""
    shape = {field.name: TYPES[field.kind] for field in fields}
    kind = dt.Struct({name: KINDS[type] for name, type in shape.items()})

    def from_json(row: Any, shape: Any) -> Any: ...

    read = ibis.udf.scalar.builtin(from_json, signature=((dt.string, dt.string), kind))
    table = ibis.memtable(rows)
    beside = [name for name in (SCORE, CLASS) if name in rows.column_names]
    parsed = table.select(*beside, _row=read(table.row, json.dumps(shape)))
    return parsed.select(*beside, **{name: parsed["_row"][name] for name in shape})
