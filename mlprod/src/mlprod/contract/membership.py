"""Which words are none of a field's: without an expression that grows with them, and fast on
whatever engine.
"""

import functools
import operator
from collections.abc import Iterable
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from .fields import Field

COMPARED = 10  # words that are compared one by one: nothing is faster, and every engine can
IN_A_TEXT = 100  # words in one literal: a DuckDB query may ask for hundreds of fields that way
SEPARATOR = "\x1f"
SCHEMA = pa.schema({"field": pa.string(), "word": pa.string()})


def words_of(fields: Iterable[Field]) -> pa.Table:
    """The words of the fields that have too many for an expression."""
    pairs = [
        (field.name, word)
        for field in fields
        if len(field.categories) > COMPARED
        for word in field.categories
    ]
    return pa.table([[name for name, _ in pairs], [word for _, word in pairs]], schema=SCHEMA)


def none_of(column: Any, field: Field, words: ir.Table, duckdb: bool) -> ir.BooleanValue:
    """Rows whose word is there and is none of the field's.

    `words` is a table of `words_of` the field and others.
    """
    if len(field.categories) <= COMPARED:
        different: ir.BooleanValue = functools.reduce(
            operator.and_, [column != word for word in field.categories]
        )
        return different
    if duckdb and len(field.categories) <= IN_A_TEXT:
        known = ibis.literal(SEPARATOR.join(field.categories)).split(SEPARATOR).contains(column)
        return column.notnull() & ~known
    return column.notnull() & column.notin(words.filter(words["field"] == field.name)["word"])


def is_duckdb(table: ir.Table) -> bool:
    """Whether DuckDB holds the table; it does if the table has no engine yet."""
    try:
        return bool(ibis.get_backend(table).name == "duckdb")
    except ibis.IbisError:
        return True
