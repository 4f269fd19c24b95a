"""A table compared with what a bundle learnt from: counts by bin in one Ibis aggregate, on whatever engine holds it."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from ..bundle.reference_profile import Distribution, Reference
from ..contract.columns import MAX_REFUSED, conformed, exact, missing, type_violation
from ..contract.examples import any_of as any_unreadable
from ..contract.examples import unreadable_cells
from ..contract.schema import Field, Fields
from ..contract.words import listed
from .distance import largest_gap, limit, stability

SCORE = "(score)"  # among the fields; no field can be called so
Verdict = Literal["drifts", "steady", "too few rows", "not recorded", "not compared"]
MANY_WORDS = 50  # of a field, which are counted apart
FEWEST_ROWS = 100  # from fewer, nothing smaller than a fifth of all rows can be told from chance
FIELDS_AT_ONCE = 20  # in one query: engines plan some thousands of sums badly
MAX_SHOWN = 5  # columns in a message


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


def readable(
    table: ir.Table, fields: Iterable[Field], score: str = "score", personal: Collection[str] = ()
) -> tuple[ir.Table, str]:
    """The rows whose cells can all be read, as the fields hold them, and what was left out, in words.

    Raises CannotCompare when a column is absent or cannot hold its field, and when more rows cannot be read than
    MAX_REFUSED.
    """
    schema, kinds = table.schema(), {field.name: str(field.kind) for field in fields}
    if score in schema and score not in kinds:
        kinds[score] = "number"
    for name, kind in kinds.items():
        if name not in schema:
            raise CannotCompare(f"the table has no column {name!r}, which the model needs; it has {listed(schema)}")
        if reason := type_violation(schema[name], kind, "binary"):
            raise CannotCompare(f"column {name!r}: {reason}")
    table = conformed(table, kinds)
    rows, odd, broken = unreadable_cells(table, kinds, personal)
    shown = "; ".join(each.describe() for each in broken[:MAX_SHOWN])
    if odd > MAX_REFUSED * rows:
        raise CannotCompare(f"more than {MAX_REFUSED:.0%} of {rows:,} rows cannot be read: {shown}")
    return (table.filter(~any_unreadable(table, kinds)), f"{odd:,} rows are left out: {shown}") if odd else (table, "")


def count(
    table: ir.Table, fields: Fields, reference: Reference, absent: Collection[str] = (), score: str = "score"
) -> Counts:
    """Counts of a table's `readable` rows by field, but those `absent`; of the column `score` under SCORE when there is
    one. Raises CannotCompare."""
    columns = {field.name: field for field in fields if field.name not in absent}
    table, _ = readable(table, columns.values(), score)
    if score in table.columns and score not in fields.names:
        columns[score] = Field(score, "number")
    rows = 0
    found: Counts = {}
    many = [field for field in columns.values() if len(field.categories) > MANY_WORDS]
    few = [field for field in columns.values() if field not in many]
    for start in range(0, max(len(few), 1), FIELDS_AT_ONCE):
        part = few[start : start + FIELDS_AT_ONCE]
        rows, counts = _counted(table, part, reference)
        found |= counts
    for field in many:
        found[field.name] = _counted_words(table, field, rows)
    return {SCORE if name == score and score not in fields.names else name: found[name] for name in columns}


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


def _counted(table: ir.Table, fields: Sequence[Field], reference: Reference) -> tuple[int, Counts]:
    asked: dict[str, Any] = {"rows": table.count()}
    edges = {field.name: _edges(reference, field.name) for field in fields}
    for place, field in enumerate(fields):
        column = _numbered(table[field.name], field)
        asked[f"m{place}"] = missing(column).sum()
        same = field.kind == "category"
        compared = [column == edge if same else column <= edge for edge in map(_literal, edges[field.name])]
        asked |= {f"e{place}_{position}": each.sum() for position, each in enumerate(compared)}
    said: dict[str, int | None] = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    rows, found = said["rows"] or 0, {}
    for place, field in enumerate(fields):
        counts = [said[f"e{place}_{position}"] or 0 for position in range(len(edges[field.name]))]
        below = itertools.accumulate(counts) if field.kind == "category" else counts
        gone = said[f"m{place}"] or 0
        found[field.name] = Counted(rows - gone, gone, tuple(int(each) for each in below))
    return rows, found


def _counted_words(table: ir.Table, field: Field, rows: int) -> Counted:
    """The same for a field of thousands of words, which no expression should hold."""
    column = table[field.name]
    gone = int(missing(column).sum().to_pyarrow().as_py() or 0)
    known = ibis.memtable({"word": list(field.categories)})
    counts = table.filter(column.isin(known["word"])).group_by(word=column).aggregate(rows=lambda each: each.count())
    by_word = {each["word"]: each["rows"] for each in counts.to_pyarrow().to_pylist()}
    below = itertools.accumulate(int(by_word.get(word, 0)) for word in field.categories)
    return Counted(rows - gone, gone, tuple(below))


def _edges(reference: Reference, name: str) -> tuple[float, ...] | tuple[str, ...]:
    return reference.fields[name].edges if name in reference.fields else reference.score.edges


def _described(reference: Reference, name: str) -> Distribution:
    return reference.score if name == SCORE else reference.fields[name]


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
