"""A table compared with what a bundle learnt from: counts by bin in one Ibis aggregate, on whatever engine holds it."""

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from ..bundle.reference import Distribution, Reference
from ..contract.terms import Field, Fields
from .distance import largest_gap, limit, stability
from .limits import FEWEST_ROWS

SCORE = "(score)"  # among the fields; no field can be called so
Verdict = Literal["drifts", "steady", "too few rows", "not recorded", "not compared"]
TYPES = {"number": "float64", "integer": "float64", "boolean": "boolean"}


class CannotCompare(Exception):
    """The table is not one of the bundle's rows; the message names the column."""


@dataclass(frozen=True)
class Counted:
    """One field: `cumulative` [edges] counts present values up to each edge or, for words, of the words up to each."""

    present: int
    missing: int
    cumulative: tuple[int, ...]

    def __add__(self, other: "Counted") -> "Counted":
        sums = tuple(a + b for a, b in zip(self.cumulative, other.cumulative, strict=True))
        return Counted(self.present + other.present, self.missing + other.missing, sums)


Counts = dict[str, Counted]


@dataclass(frozen=True)
class Drift:
    """One field. `gap` is the largest distance of cumulative shares and `at` the edge where it lies; `index` the
    population stability index. None where there is nothing to compare."""

    name: str
    verdict: Verdict
    counted: Counted | None
    reference: Distribution
    gap: float | None = None
    allowed: float | None = None
    index: float | None = None
    at: float | str | None = None

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each bin, as the reference has them: the last one above all edges, or of unknown words."""
        if self.counted is None:
            return ()
        ends = (0, *self.counted.cumulative, self.counted.present)
        return tuple((b - a) / max(self.counted.present, 1) for a, b in itertools.pairwise(ends))

    @property
    def missing(self) -> float | None:
        """Share of the rows without a value."""
        return self.counted.missing / max(self.counted.missing + self.counted.present, 1) if self.counted else None

    @property
    def learnt(self) -> int:
        """Present values that the reference was made of."""
        return round(self.reference.rows * (1 - self.reference.missing))

    @property
    def words(self) -> bool:
        return bool(self.reference.edges) and isinstance(self.reference.edges[0], str)

    @property
    def unknown(self) -> float | None:
        """Share of words that the model does not know; None for numbers."""
        return self.shares[-1] if self.words and self.counted else None

    @property
    def excess(self) -> float:
        """The gap in units of what is allowed; sorts the worst first."""
        return self.gap / self.allowed if self.gap is not None and self.allowed else -1.0


def count(
    table: ir.Table, fields: Fields, reference: Reference, absent: Collection[str] = (), score: str = "score"
) -> Counts:
    """Counts of a table's rows by field, but those `absent`; of the column `score` under SCORE when there is one.

    Raises CannotCompare when a column lacks or holds what is no value of its field.
    """
    columns = {field.name: _column(table, field) for field in fields if field.name not in absent}
    kinds = {field.name: field.kind for field in fields} | {SCORE: "number"}
    if score in table.columns and score not in fields.names:
        columns[SCORE] = _column(table, Field(score, "number"))
    asked: dict[str, Any] = {"rows": table.count()}
    for place, (name, column) in enumerate(columns.items()):
        asked[f"m{place}"] = _missing(column).sum()
        edges = _described(reference, name).edges
        compared = [column == edge if kinds[name] == "category" else column <= edge for edge in _literals(edges)]
        asked |= {f"e{place}_{position}": each.sum() for position, each in enumerate(compared)}
    said: dict[str, int | None] = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    rows, found = said["rows"] or 0, {}
    for place, name in enumerate(columns):
        counts = [said[f"e{place}_{position}"] or 0 for position in range(len(_described(reference, name).edges))]
        below = itertools.accumulate(counts) if kinds[name] == "category" else counts
        missing = said[f"m{place}"] or 0
        found[name] = Counted(rows - missing, missing, tuple(int(each) for each in below))
    return found


def total(parts: Iterable[Counts]) -> Counts:
    """The counts of several tables of the same fields together."""
    whole: Counts = {}
    for part in parts:
        whole = {name: whole[name] + counted if name in whole else counted for name, counted in part.items()}
    return whole


def compare(reference: Reference, counts: Counts) -> list[Drift]:
    """Each field of the reference and the score, the worst first; what was not counted is not recorded."""
    names = [*reference.fields, *([SCORE] if SCORE in counts else [])]
    found = [_compared(name, _described(reference, name), counts.get(name)) for name in names]
    return sorted(found, key=lambda each: -each.excess)


def _compared(name: str, then: Distribution, counted: Counted | None) -> Drift:
    if counted is None:
        return Drift(name, "not recorded", None, then)
    if not then.edges:
        return Drift(name, "not compared", counted, then)
    few: Verdict = "too few rows"
    bare = Drift(name, few, counted, then)
    if not counted.present:
        return bare
    now = [each / counted.present for each in counted.cumulative]
    gap, allowed = largest_gap(now, then.cumulative[: len(now)]), limit(counted.present, bare.learnt)
    verdict: Verdict = "drifts" if gap > allowed else "steady" if counted.present >= FEWEST_ROWS else few
    place = max(range(len(now)), key=lambda k: abs(now[k] - then.cumulative[k]))
    found = Drift(name, verdict, counted, then, gap, allowed, at=then.edges[place])
    return replace(found, index=stability(found.shares, then.shares))


def _described(reference: Reference, name: str) -> Distribution:
    return reference.score if name == SCORE else reference.fields[name]


def _literals(edges: tuple[float, ...] | tuple[str, ...]) -> list[Any]:
    return [ibis.literal(edge, type="string" if isinstance(edge, str) else "float64") for edge in edges]


def _column(table: ir.Table, field: Field) -> Any:
    """A field's column as text or float64; booleans as 1 and 0. Text that is no number counts as missing."""
    if field.name not in table.columns:
        raise CannotCompare(f"the table has no column {field.name!r}, which the model needs; it has {table.columns}")
    column = table[field.name]
    dtype = column.type()
    if field.kind in ("category", "text"):
        return column if dtype.is_string() else column.cast("string")
    if dtype.is_string():  # a file of text
        column = column.try_cast(TYPES[field.kind])
    elif not (dtype.is_numeric() or dtype.is_boolean()):
        raise CannotCompare(f"column {field.name!r} is of type {dtype}, and the model reads a {field.kind}")
    if column.type().is_boolean():
        column = column.cast("int8")
    return column if column.type().is_float64() else column.cast("float64")


def _missing(column: Any) -> Any:
    """NULL, or NaN among numbers."""
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()
