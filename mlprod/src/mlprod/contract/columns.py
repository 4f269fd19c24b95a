"""A table's columns as the fields that they hold: a type with one meaning is cast, a cell without
one is marked.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from .fields import Task

# and a name: in text, the cells of that column that cannot be read; null for all others
MARK = "_unreadable_"
LINE = "_line_of_file"  # where a row of a CSV begins
EXACT = 2**53  # the largest range in which float64 holds every integer
TYPES = {
    "number": "float64",
    "integer": "int64",
    "boolean": "boolean",
    "time": "timestamp",
    "label": "float64",
}
TYPES |= dict.fromkeys(("category", "text", "id"), "string")
MAX_REFUSED = 0.01  # of the rows; when more break the contract that is no dirt but another table
UNREADABLE = {
    "number": "not a number",
    "integer": "not a whole number",
    "boolean": "neither true nor false",
    "id": "a number that a spreadsheet has rounded",
    "time": "not a time such as 2026-06-01 12:30:00",
    "label": "neither a number nor true or false",
}
REMEDIES = {
    UNREADABLE[
        "number"
    ]: "write it as 1234.5: no separator of thousands, no unit, no percent; a cell without a "
    "value is empty",
    UNREADABLE["integer"]: "write it as 1234; a cell without a value is empty",
    UNREADABLE["boolean"]: "write true or false; a cell without a value is empty",
    UNREADABLE[
        "id"
    ]: "make the column text in the spreadsheet, and export it again from where the ids come",
    UNREADABLE["time"]: "write year, month and day in this order",
    UNREADABLE[
        "label"
    ]: "write it as a number, or true or false; a label that is not known is empty",
}


def type_violation(dtype: Any, kind: str, task: Task) -> str | None:
    """Why a column of this type cannot hold the kind, and what works; None where it can."""
    if dtype.is_null() or _holds(dtype, kind, task):
        return None
    works = "int64" if kind == "id" and dtype.is_floating() else TYPES[kind]
    remedy = f"write the column as {works}, in load() by .cast({works!r})"
    if kind in ("boolean", "label") and dtype.is_string():
        remedy = (
            "write it as true or false, in load() by comparing it with the word that means "
            "true: table.column == '...'"
        )
    return f"type {dtype} does not hold {'an' if kind[0] in 'ai' else 'a'} {kind}; {remedy}"


def exact(value: float) -> Any:
    """The number as an expression of float64.

    As a plain literal DuckDB 1.5 reads 0.9448268413543701 as a decimal, and makes another float64
    of that than of the same digits as text.
    """
    return ibis.literal(repr(float(value))).cast("float64")


def conformed(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    """The table, its columns of these kinds as float64, int64 (or whole numbers in float64),
    boolean, text or time.

    A cell without a meaning, such as 1.5 for a whole number, is null there and stands in the column
    MARK + name.
    """
    changed: dict[str, Any] = {}
    for name, kind in kinds.items():
        if name in table.columns and MARK + name not in table.columns:
            changed |= _conformed(name, table[name], kind)
    return table.mutate(**changed) if changed else table


def unreadable(table: ir.Table, name: str) -> ir.BooleanValue | None:
    """Rows whose cell was there and could not be read; None where every cell can."""
    mark = MARK + name
    return table[mark].notnull() if mark in table.columns else None


def missing(column: Any) -> ir.BooleanValue:
    """NULL, or NaN in a floating column: files written by dataframes use either."""
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
    return bool(dtype.is_string())


def _conformed(name: str, column: Any, kind: str) -> dict[str, Any]:
    dtype = column.type()
    if dtype.is_null():
        return {name: ibis.null(TYPES[kind])}
    if kind == "number" and not dtype.is_floating():
        return {name: column.cast("float64")}
    if kind == "integer" and not dtype.is_integer() | dtype.is_uint64():
        column = column if dtype.is_floating() else column.cast("float64")
        countable = column.between(
            -EXACT, EXACT
        )  # before it is rounded, which engines do by a cast to an integer
        anomalies = ibis.cases(
            (missing(column), False), (countable, column != column.round()), else_=False
        )
        return _marked(name, column, anomalies, column)
    if kind == "integer" and dtype.is_uint64():
        return {name: column.cast("float64")}
    if kind == "boolean" and not dtype.is_boolean():
        value = ibis.cases((column == 1, True), (column == 0, False))
        return _marked(name, column, ~missing(column) & column.notin([0, 1]), value)
    return {name: column.cast("string")} if kind == "id" and dtype.is_decimal() else {}


def _marked(name: str, column: Any, anomalies: Any, value: Any) -> dict[str, Any]:
    return {
        name: ibis.ifelse(anomalies, ibis.null(value.type()), value),
        MARK + name: ibis.ifelse(anomalies, column.cast("string"), ibis.null("string")),
    }
