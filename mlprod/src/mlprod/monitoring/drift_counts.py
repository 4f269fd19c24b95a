"""A table counted by the bins of a bundle's reference, in one Ibis aggregate, on whatever engine
holds it.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from ..bundle.reference_profile import Reference
from ..contract.columns import MAX_REFUSED, conformed, exact, missing, type_violation
from ..contract.examples import any_of as any_unreadable
from ..contract.examples import unreadable_cells
from ..contract.schema import Field, Fields
from ..contract.words import listed

SCORE = "(score)"  # among the fields; no field can be called so
MANY_WORDS = 50  # of a field, which are counted apart
FIELDS_AT_ONCE = 20  # in one query: engines plan some thousands of sums badly
MAX_SHOWN = 5  # columns in a message


class SchemaMismatchError(Exception):
    """The table is not one of the bundle's rows; the message names the column."""


@dataclass(frozen=True)
class FeatureCounts:
    """One field: `cumulative` [edges] counts present values up to each edge or, for words, of the
    words up to each.
    """

    present: int
    missing: int
    cumulative: tuple[int, ...]

    def __add__(self, other: "FeatureCounts") -> "FeatureCounts":
        sums = tuple(a + b for a, b in zip(self.cumulative, other.cumulative, strict=True))
        return FeatureCounts(self.present + other.present, self.missing + other.missing, sums)


Counts = dict[str, FeatureCounts]


def readable(
    table: ir.Table, fields: Iterable[Field], score: str = "score", personal: Collection[str] = ()
) -> tuple[ir.Table, str]:
    """The rows whose cells can all be read, as the fields hold them, and what was left out, in
    words.

    Raises SchemaMismatchError when a column is absent or cannot hold its field, and when more rows
    cannot be read than MAX_REFUSED.
    """
    schema, kinds = table.schema(), {field.name: str(field.kind) for field in fields}
    if score in schema and score not in kinds:
        kinds[score] = "number"
    for name, kind in kinds.items():
        if name not in schema:
            raise SchemaMismatchError(
                f"the table has no column {name!r}, which the model needs; it has {listed(schema)}"
            )
        if reason := type_violation(schema[name], kind, "binary"):
            raise SchemaMismatchError(f"column {name!r}: {reason}")
    table = conformed(table, kinds)
    rows, anomalies, broken = unreadable_cells(table, kinds, personal)
    shown = "; ".join(item.describe() for item in broken[:MAX_SHOWN])
    if anomalies > MAX_REFUSED * rows:
        raise SchemaMismatchError(
            f"more than {MAX_REFUSED:.0%} of {rows:,} rows cannot be read: {shown}"
        )
    return (
        (table.filter(~any_unreadable(table, kinds)), f"{anomalies:,} rows are left out: {shown}")
        if anomalies
        else (table, "")
    )


def count(
    table: ir.Table,
    fields: Fields,
    reference: Reference,
    absent: Collection[str] = (),
    score: str = "score",
) -> Counts:
    """Counts of a table's `readable` rows by field, but those `absent`; of the column `score` under
    SCORE when there is one. Raises SchemaMismatchError.
    """
    columns = {field.name: field for field in fields if field.name not in absent}
    table, _ = readable(table, columns.values(), score)
    if score in table.columns and score not in fields.names:
        columns[score] = Field(score, "number")
    rows = 0
    result: Counts = {}
    many = [field for field in columns.values() if len(field.categories) > MANY_WORDS]
    few = [field for field in columns.values() if field not in many]
    for start in range(0, max(len(few), 1), FIELDS_AT_ONCE):
        part = few[start : start + FIELDS_AT_ONCE]
        rows, counts = _counted(table, part, reference)
        result |= counts
    for field in many:
        result[field.name] = _counted_words(table, field, rows)
    return {
        SCORE if name == score and score not in fields.names else name: result[name]
        for name in columns
    }


def total(parts: Iterable[Counts]) -> Counts:
    """The counts of several tables of the same fields together."""
    whole: Counts = {}
    for part in parts:
        whole = {
            name: whole[name] + counted if name in whole else counted
            for name, counted in part.items()
        }
    return whole


def _counted(table: ir.Table, fields: Sequence[Field], reference: Reference) -> tuple[int, Counts]:
    requested: dict[str, Any] = {"rows": table.count()}
    edges = {field.name: _edges(reference, field.name) for field in fields}
    for place, field in enumerate(fields):
        column = _numbered(table[field.name], field)
        requested[f"m{place}"] = missing(column).sum()
        same = field.kind == "category"
        compared = [
            column == edge if same else column <= edge for edge in map(_literal, edges[field.name])
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


def _counted_words(table: ir.Table, field: Field, rows: int) -> FeatureCounts:
    """The same for a field of thousands of words, which no expression should hold."""
    column = table[field.name]
    gone = int(missing(column).sum().to_pyarrow().as_py() or 0)
    known = ibis.memtable({"word": list(field.categories)})
    counts = (
        table.filter(column.isin(known["word"]))
        .group_by(word=column)
        .aggregate(rows=lambda item: item.count())
    )
    by_word = {entry["word"]: entry["rows"] for entry in counts.to_pyarrow().to_pylist()}
    below = itertools.accumulate(int(by_word.get(word, 0)) for word in field.categories)
    return FeatureCounts(rows - gone, gone, tuple(below))


def _edges(reference: Reference, name: str) -> tuple[float, ...] | tuple[str, ...]:
    return reference.fields[name].edges if name in reference.fields else reference.score.edges


def _literal(edge: float | str) -> Any:
    """An edge is a value of the rows, so its last digit counts."""
    return ibis.literal(edge, type="string") if isinstance(edge, str) else exact(edge)


def _numbered(column: Any, field: Field) -> Any:
    """A field's column as text or float64; booleans as 1 and 0."""
    if field.kind in ("category", "text"):
        return column
    if column.type().is_boolean():
        column = column.cast("int8")
    return column if column.type().is_float64() else column.cast("float64")
