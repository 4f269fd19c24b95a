"""Find unknown categories in a column, fast on every engine.

The expression does not grow with the number of categories.
"""

import functools
import operator
from collections.abc import Iterable
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from .fields import Field

# Categories that are compared one by one. This is the fastest way, and every engine supports it.
MAX_COMPARED = 10
# Categories in one literal: a DuckDB query may test hundreds of fields in this way.
MAX_IN_LITERAL = 100
SEPARATOR = "\x1f"
SCHEMA = pa.schema({"field": pa.string(), "word": pa.string()})


def category_table(fields: Iterable[Field]) -> pa.Table:
    """Return the categories of the fields that have too many for an expression."""
    pairs = [
        (field.name, word)
        for field in fields
        if len(field.categories) > MAX_COMPARED
        for word in field.categories
    ]
    return pa.table([[name for name, _ in pairs], [word for _, word in pairs]], schema=SCHEMA)


def is_unknown_category(
    column: Any, field: Field, categories: ir.Table, duckdb: bool
) -> ir.BooleanValue:
    """Return a predicate for rows whose value is present and not a category of the field.

    `categories` is the table that `category_table` makes of this field and possibly others.
    """
    if len(field.categories) <= MAX_COMPARED:
        different: ir.BooleanValue = functools.reduce(
            operator.and_, [column != word for word in field.categories]
        )
        return different
    if duckdb and len(field.categories) <= MAX_IN_LITERAL:
        known = ibis.literal(SEPARATOR.join(field.categories)).split(SEPARATOR).contains(column)
        return column.notnull() & ~known
    known_here = categories.filter(categories["field"] == field.name)["word"]
    return column.notnull() & column.notin(known_here)


def is_duckdb(table: ir.Table) -> bool:
    """Return whether DuckDB holds the table; a table without an engine counts as DuckDB's."""
    try:
        return bool(ibis.get_backend(table).name == "duckdb")
    except ibis.IbisError:
        return True
