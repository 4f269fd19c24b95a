"""Counts of a table by the bins of a bundle's reference profile.

Ibis aggregates them in the engine that holds the table.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from ..bundle.reference_profile import Reference
from ..contract.columns import (
    MAX_INVALID_SHARE,
    conform,
    float64_literal,
    is_missing,
    type_violation,
)
from ..contract.date_columns import date_literal
from ..contract.dates import DATE_EXAMPLES
from ..contract.examples import has_unreadable_cell, unreadable_cells
from ..contract.schema import Field, Fields
from ..contract.words import join_shortened
from ..display.counting import count_of

# The name of the score among the fields; no field can have this name.
SCORE = "(score)"
# The name of the most probable class among the fields.
CLASS = "(class)"
# A field with more categories is counted in a query of its own.
MANY_CATEGORIES = 50
# Query engines plan thousands of sums in one query badly.
FIELDS_PER_QUERY = 20
MAX_COLUMNS_NAMED = 5  # in a message


class SchemaMismatchError(Exception):
    """The table does not hold rows of the bundle's schema; the message names the column."""


@dataclass(frozen=True)
class FeatureCounts:
    """The counts of one field.

    `cumulative` [edges] counts the present values up to each edge. For categories it counts the
    values of the categories up to each one.
    """

    present: int
    missing: int
    cumulative: tuple[int, ...]

    def __add__(self, other: "FeatureCounts") -> "FeatureCounts":
        sums = tuple(a + b for a, b in zip(self.cumulative, other.cumulative, strict=True))
        return FeatureCounts(self.present + other.present, self.missing + other.missing, sums)


Counts = dict[str, FeatureCounts]


def readable_rows(
    table: ir.Table, fields: Iterable[Field], score: str = "score", personal: Collection[str] = ()
) -> tuple[ir.Table, str]:
    """Return the rows whose cells can all be read, and a note about the rows left out.

    Raises SchemaMismatchError if a column is missing or has the wrong type, or if a larger share of
    the rows than MAX_INVALID_SHARE cannot be read.
    """
    schema, kinds = table.schema(), {field.name: str(field.kind) for field in fields}
    if score in schema and score not in kinds:
        kinds[score] = "number"
    for name, kind in kinds.items():
        if name not in schema:
            raise SchemaMismatchError(
                f"the table has no column {name!r}, which the model needs; "
                f"it has {join_shortened(schema)}"
            )
        if reason := type_violation(schema[name], kind, "binary"):
            raise SchemaMismatchError(f"column {name!r}: {reason}")
    table = conform(table, kinds)
    rows, anomalies, broken = unreadable_cells(table, kinds, personal)
    shown = "; ".join(item.describe() for item in broken[:MAX_COLUMNS_NAMED])
    if anomalies > MAX_INVALID_SHARE * rows:
        raise SchemaMismatchError(
            f"more than {MAX_INVALID_SHARE:.0%} of {rows:,} rows cannot be read: {shown}"
        )
    return (
        (
            table.filter(~has_unreadable_cell(table, kinds)),
            f"{count_of(anomalies, 'row')} left out: {shown}",
        )
        if anomalies
        else (table, "")
    )


def count_features(
    table: ir.Table,
    fields: Fields,
    reference: Reference,
    absent: Collection[str] = (),
    score: str = "score",
) -> Counts:
    """Count a table's readable rows by field, without the fields in `absent`.

    If the table has a column `score`, its counts stand under SCORE. A column CLASS is counted by
    the classes of the reference. Raises SchemaMismatchError.
    """
    columns = {field.name: field for field in fields if field.name not in absent}
    table, _ = readable_rows(table, columns.values(), score)
    if score in table.columns and score not in fields.names:
        columns[score] = Field(score, "number")
    if CLASS in table.columns and reference.classes:
        columns[CLASS] = Field(CLASS, "category", categories=_edges(reference, CLASS))
    rows = 0
    result: Counts = {}
    many = [field for field in columns.values() if len(field.categories) > MANY_CATEGORIES]
    few = [field for field in columns.values() if field not in many]
    for start in range(0, max(len(few), 1), FIELDS_PER_QUERY):
        part = few[start : start + FIELDS_PER_QUERY]
        rows, counts = _count_fields(table, part, reference)
        result |= counts
    for field in many:
        result[field.name] = _count_categories(table, field, rows)
    return {
        SCORE if name == score and score not in fields.names else name: result[name]
        for name in columns
    }


def sum_counts(parts: Iterable[Counts]) -> Counts:
    """Add up the counts of several tables of the same fields."""
    whole: Counts = {}
    for part in parts:
        whole = {
            name: whole[name] + counted if name in whole else counted
            for name, counted in part.items()
        }
    return whole


def _count_fields(
    table: ir.Table, fields: Sequence[Field], reference: Reference
) -> tuple[int, Counts]:
    requested: dict[str, Any] = {"rows": table.count()}
    edges = {field.name: _edges(reference, field.name) for field in fields}
    for place, field in enumerate(fields):
        column = _as_number(table[field.name], field)
        requested[f"m{place}"] = is_missing(column).sum()
        same = field.kind == "category"
        compared = [
            column == edge if same else column <= edge
            for edge in (_literal(column, field, edge) for edge in edges[field.name])
        ]
        requested |= {f"e{place}_{position}": item.sum() for position, item in enumerate(compared)}
    message: dict[str, int | None] = table.aggregate(**requested).to_pyarrow().to_pylist()[0]
    rows, result = message["rows"] or 0, {}
    for place, field in enumerate(fields):
        counts = [
            message[f"e{place}_{position}"] or 0 for position in range(len(edges[field.name]))
        ]
        below = itertools.accumulate(counts) if field.kind == "category" else counts
        gone = message[f"m{place}"] or 0
        result[field.name] = FeatureCounts(rows - gone, gone, tuple(int(entry) for entry in below))
    return rows, result


def _count_categories(table: ir.Table, field: Field, rows: int) -> FeatureCounts:
    """Count a field with thousands of categories by a join, not by one expression for each."""
    column = table[field.name]
    gone = int(is_missing(column).sum().to_pyarrow().as_py() or 0)
    known = ibis.memtable({"word": list(field.categories)})
    counts = (
        table.filter(column.isin(known["word"]))
        .group_by(word=column)
        .aggregate(rows=lambda item: item.count())
    )
    by_word = {entry["word"]: entry["rows"] for entry in counts.to_pyarrow().to_pylist()}
    below = itertools.accumulate(int(by_word.get(word, 0)) for word in field.categories)
    return FeatureCounts(rows - gone, gone, tuple(below))


def _edges(reference: Reference, name: str) -> Any:
    """Return the edges of a field, of the score, or of the classes: numbers, or texts."""
    if name == CLASS and reference.classes:
        return reference.classes.edges
    return reference.fields[name].edges if name in reference.fields else reference.score.edges


def _literal(column: Any, field: Field, edge: float | str) -> Any:
    """Return an edge as an exact literal: it is a value of the rows, so its last digit counts."""
    if field.kind in DATE_EXAMPLES and not isinstance(edge, str):
        return date_literal(column, field.kind, edge)
    return ibis.literal(edge, type="string") if isinstance(edge, str) else float64_literal(edge)


def _as_number(column: Any, field: Field) -> Any:
    """Return a field's column as text, dates or float64; booleans as 1 and 0."""
    if field.kind in ("category", "text", *DATE_EXAMPLES):
        return column
    if column.type().is_boolean():
        column = column.cast("int8")
    return column if column.type().is_float64() else column.cast("float64")
