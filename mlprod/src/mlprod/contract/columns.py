"""Convert the columns of a table to the types of their fields, and mark unreadable cells.

A column is cast if its type has one meaning for the field.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from .date_columns import conform_dates
from .dates import DATE_EXAMPLES
from .fields import Task

# This prefix and a column's name: a column with the text of the cells that cannot be read, null
# for all others.
UNREADABLE_PREFIX = "_unreadable_"
# The line where a row of a CSV file begins.
LINE_COLUMN = "_line_of_file"
# The largest range in which float64 holds every integer.
EXACT_IN_FLOAT64 = 2**53
COLUMN_TYPES = {
    "number": "float64",
    "integer": "int64",
    "boolean": "boolean",
    "time": "timestamp",
    "label": "float64",
    "date": "date",
    "datetime": "timestamp",
}
COLUMN_TYPES |= dict.fromkeys(("category", "text", "id"), "string")
# Share of the rows. If more rows break the contract, the input is probably the wrong table.
MAX_INVALID_SHARE = 0.01
UNREADABLE = {
    "number": "not a number",
    "integer": "not a whole number",
    "boolean": "neither true nor false",
    "id": "a number that a spreadsheet has rounded",
    "time": "not a time such as 2026-06-01 12:30:00",
    "label": "neither a number nor true or false",
    "date": f"not a date such as {DATE_EXAMPLES['date']}",
    "datetime": f"not a datetime such as {DATE_EXAMPLES['datetime']}",
}
CELL_REMEDIES = {
    UNREADABLE["number"]: (
        "write it as 1234.5, without thousands separator, unit or percent sign; leave a cell "
        "without a value empty"
    ),
    UNREADABLE["integer"]: (
        "write it as 1234, in pandas with .round().astype('Int64'), which leaves gaps missing; or "
        "make the field a float; leave a cell without a value empty"
    ),
    UNREADABLE["boolean"]: "write true or false; leave a cell without a value empty",
    UNREADABLE["id"]: (
        "set the type of the spreadsheet's column to text, and export the ids again from their "
        "source"
    ),
    UNREADABLE["time"]: "write year, month and day in this order",
    UNREADABLE["date"]: (
        "write year, month and day in this order, each with a zero in front where it needs one; a "
        "time of day needs a datetime field; leave a cell without a value empty"
    ),
    UNREADABLE["datetime"]: (
        "write date and time of day, in UTC or with a time zone such as +02:00; leave a cell "
        "without a value empty"
    ),
    UNREADABLE["label"]: "write it as a number, or true or false; leave an unknown label empty",
}


def type_violation(dtype: Any, kind: str, task: Task) -> str | None:
    """Return why a column of this type cannot hold the kind, and what works; None if it can."""
    if dtype.is_null() or _holds(dtype, kind, task):
        return None
    works = "int64" if kind == "id" and dtype.is_floating() else COLUMN_TYPES[kind]
    remedy = f"works: write the column as {works}, in load() with .cast({works!r})"
    if kind in ("boolean", "label") and dtype.is_string():
        remedy = (
            "works: write it as true or false, in load() by comparing it with the text that means "
            "true: table.column == '...'"
        )
        if kind == "label":
            remedy += "; for three or more classes list them in CLASSES of contract.py"
    if kind in ("category", "text") and dtype.is_floating():
        remedy += (
            "; whole numbers that pandas made floats because of gaps: .astype('Int64')"
            ".astype('string')"
        )
    if kind in DATE_EXAMPLES and dtype.is_numeric():
        remedy = (
            f"works: a column of the type {COLUMN_TYPES[kind]}, or of texts such as "
            f"{DATE_EXAMPLES[kind]}"
        )
    return f"type {dtype} does not hold {'an' if kind[0] in 'ai' else 'a'} {kind}; {remedy}"


def float64_literal(value: float) -> Any:
    """Return the number as an expression of type float64.

    DuckDB 1.5 reads a plain literal such as 0.9448268413543701 as a decimal. Its cast gives another
    float64 than the cast of the same digits as text.
    """
    return ibis.literal(repr(float(value))).cast("float64")


def conform(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    """Cast the columns of these kinds to float64, int64, boolean, text or time.

    An integer may also be a whole number in float64. A cell without a meaning, such as 1.5 for an
    integer, becomes null, and its text goes to the column UNREADABLE_PREFIX + name.
    """
    changed: dict[str, Any] = {}
    for name, kind in kinds.items():
        if name in table.columns and UNREADABLE_PREFIX + name not in table.columns:
            changed |= _conform_column(name, table[name], kind)
    return table.mutate(**changed) if changed else table


def unreadable(table: ir.Table, name: str) -> ir.BooleanValue | None:
    """Return a predicate for rows whose cell has a value that cannot be read.

    Returns None if every cell of the column can be read.
    """
    mark = UNREADABLE_PREFIX + name
    return table[mark].notnull() if mark in table.columns else None


def is_missing(column: Any) -> ir.BooleanValue:
    """Return a predicate for missing values: NULL, or NaN in a floating-point column.

    Files that dataframes write use either.
    """
    result: ir.BooleanValue = column.isnull()
    return result | column.isnan() if column.type().is_floating() else result


def _holds(dtype: Any, kind: str, task: Task) -> bool:
    number = dtype.is_numeric() and not dtype.is_boolean()
    if kind in ("number", "integer") or (kind == "label" and task == "regression"):
        return bool(number)
    if kind in ("boolean", "label"):
        return bool(dtype.is_boolean() or number)
    if kind == "id":
        whole = dtype.is_decimal() and dtype.scale == 0
        return bool(dtype.is_integer() or dtype.is_string() or dtype.is_uuid() or whole)
    if kind == "time":
        return bool(dtype.is_timestamp() or dtype.is_date())
    if kind == "date":
        # The day of a time depends on the time zone, so load() has to choose it.
        dated = dtype.is_date() or (dtype.is_timestamp() and dtype.timezone is None)
        return bool(dated or dtype.is_string())
    if kind == "datetime":
        return bool(dtype.is_timestamp() or dtype.is_string())
    return bool(dtype.is_string())


def _conform_column(name: str, column: Any, kind: str) -> dict[str, Any]:
    dtype = column.type()
    if dtype.is_null():
        return {name: ibis.null(COLUMN_TYPES[kind])}
    if kind == "number" and not dtype.is_floating():
        return {name: column.cast("float64")}
    if kind == "integer" and not dtype.is_integer() | dtype.is_uint64():
        column = column if dtype.is_floating() else column.cast("float64")
        # Checked before rounding, since engines round with a cast to an integer.
        countable = column.between(-EXACT_IN_FLOAT64, EXACT_IN_FLOAT64)
        anomalies = ibis.cases(
            (is_missing(column), False), (countable, column != column.round()), else_=False
        )
        return _with_unreadable_cells(name, column, anomalies, column)
    if kind == "integer" and dtype.is_uint64():
        return {name: column.cast("float64")}
    if kind == "boolean" and not dtype.is_boolean():
        value = ibis.cases((column == 1, True), (column == 0, False))
        return _with_unreadable_cells(
            name, column, ~is_missing(column) & column.notin([0, 1]), value
        )
    if kind in DATE_EXAMPLES and not dtype.is_date():
        value = conform_dates(column, kind)
        return (
            {}
            if value is column
            else _with_unreadable_cells(name, column, column.notnull() & value.isnull(), value)
        )
    return {name: column.cast("string")} if kind == "id" and dtype.is_decimal() else {}


def _with_unreadable_cells(name: str, column: Any, anomalies: Any, value: Any) -> dict[str, Any]:
    return {
        name: ibis.ifelse(anomalies, ibis.null(value.type()), value),
        UNREADABLE_PREFIX + name: ibis.ifelse(
            anomalies, column.cast("string"), ibis.null("string")
        ),
    }
