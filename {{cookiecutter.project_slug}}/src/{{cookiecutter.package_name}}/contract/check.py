"""The data check: one Ibis aggregate counts what breaks the contract, on whatever engine holds the table."""

import functools
import operator
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir

from .fields import MAX_ID_LENGTH, MAX_LENGTH, Field, Task
from .terms import Terms

SHOWN = 80  # characters of a bad value
EXAMPLES = 3  # bad rows shown for a broken rule
CASTS = {"number": "float64", "integer": "int64", "boolean": "boolean", "time": "timestamp", "label": "float64"}
CASTS |= dict.fromkeys(("category", "text", "id"), "string")


class ContractViolated(Exception):
    """The data breaks the contract; `report` says where, how often, and shows examples."""

    def __init__(self, report: "CheckReport") -> None:
        super().__init__(report.describe())
        self.report = report


@dataclass(frozen=True)
class Violation:
    """One broken rule of one column. `examples` holds (row id, value) pairs."""

    field: str
    rule: str
    count: int
    examples: tuple[tuple[Any, Any], ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """What the check counted. `missing` and `unknown` are allowed by the contract and counted for information."""

    rows: int
    labelled: int
    violations: tuple[Violation, ...]
    missing: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.violations

    def describe(self) -> str:
        shaped = all(broken.count for broken in self.violations)  # else nothing could be counted
        labelled = f", {self.labelled:,} with a label" if shaped else ""
        lines = [f"{self.rows:,} rows{labelled}, {len(self.violations)} rules broken"]
        for broken in self.violations:
            shown = ", ".join(f"{_short(value)} in row {_short(key)}" for key, value in broken.examples)
            lines.append(
                f"  {broken.field}: {broken.rule}"
                + (f": {broken.count:,} rows" if broken.count else "")
                + (f", for example {shown}" if shown else "")
            )
        for said, counts in (("missing (allowed)", self.missing), ("unknown category (allowed)", self.unknown)):
            lines += [f"  {name}: {said}: {count:,} rows" for name, count in counts.items() if count]
        return "\n".join(lines)


def check(table: ir.Table, terms: Terms, task: Task) -> CheckReport:
    """Compare a table with the contract: one aggregate for the counts, one over the ids, examples for broken rules."""
    wanted: dict[str, str] = {item.name: item.kind for item in terms.fields} | {terms.id: "id", terms.label: "label"}
    wanted |= {name: kind for name, kind in ((terms.unit, "id"), (terms.time, "time")) if name}
    if shape := _shape(table, wanted, task):
        return CheckReport(rows=int(table.count().to_pyarrow().as_py()), labelled=0, violations=tuple(shape))
    rules = {(name, rule): predicate for name, rule, predicate in _rules(table, terms, task)}
    allowed = {(name, kind): predicate for name, kind, predicate in _allowed(table, terms)}
    asked = list((rules | allowed).items())
    counts = {f"c{i}": predicate.ifelse(1, 0).sum() for i, (_, predicate) in enumerate(asked)}
    answer: dict[str, Any] = (
        table.aggregate(_rows=table.count(), _labelled=known_label(table, terms).sum(), **counts)
        .to_pyarrow()
        .to_pylist()[0]
    )
    totals = {key: int(answer[f"c{i}"] or 0) for i, (key, _) in enumerate(asked)}
    broken = [
        Violation(name, rule, totals[name, rule], _examples(table, terms, name, predicate))
        for (name, rule), predicate in rules.items()
        if totals[name, rule]
    ]
    if not answer["_rows"]:
        broken.append(Violation(terms.id, "no rows at all; does load() look at the right place and time?", 0))
    elif not answer["_labelled"]:
        broken.append(Violation(terms.label, "no row has a label yet", answer["_rows"]))
    ids = table.filter(table[terms.id].notnull()).select(terms.id).distinct().count().to_pyarrow().as_py()
    if repeated := answer["_rows"] - totals[terms.id, "missing"] - ids:
        broken.append(Violation(terms.id, "repeated: an id must name one row", repeated))
    return CheckReport(
        rows=answer["_rows"],
        labelled=answer["_labelled"] or 0,
        violations=tuple(broken),
        missing={name: totals[name, kind] for name, kind in allowed if kind == "optional"},
        unknown={name: totals[name, kind] for name, kind in allowed if kind == "unknown"},
    )


def unfit(table: ir.Table, terms: Terms) -> ir.StringValue:
    """For each row the first rule that its id or a field of it breaks, as "field: rule"; null where it breaks none.

    Raises ContractViolated when a column is absent or of a type that cannot hold the field.
    """
    wanted: dict[str, str] = {item.name: item.kind for item in terms.fields} | {terms.id: "id"}
    if shape := _shape(table, wanted, "binary"):
        raise ContractViolated(CheckReport(rows=0, labelled=0, violations=tuple(shape)))
    id = table[terms.id]
    rules = [(terms.id, "missing", id.isnull()), *_length_rules(table, terms.id), *_field_rules(table, terms)]
    first: ir.StringValue = ibis.cases(*((predicate, f"{name}: {rule}") for name, rule, predicate in rules))
    return first


def known_label(table: ir.Table, terms: Terms) -> ir.BooleanValue:
    """Rows whose label is known: neither NULL nor NaN."""
    return ~_missing(table[terms.label])


def _shape(table: ir.Table, wanted: dict[str, str], task: Task) -> list[Violation]:
    """Columns that are absent or of a type that cannot hold the field."""
    schema, broken = table.schema(), []
    for name, kind in wanted.items():
        if name not in schema:
            broken.append(Violation(name, f"no such column; load() gave {list(schema)}", 0))
        elif not _holds(schema[name], kind, task):
            broken.append(Violation(name, f"type {schema[name]} is no {kind}; in load(): .cast({CASTS[kind]!r})", 0))
    return broken


def _holds(dtype: Any, kind: str, task: Task) -> bool:
    if kind == "number" or (kind == "label" and task == "regression"):
        return bool(dtype.is_numeric() and not dtype.is_boolean())
    if kind == "label":
        return bool(dtype.is_boolean() or dtype.is_numeric())
    if kind == "id":
        return bool(dtype.is_integer() or dtype.is_string() or dtype.is_uuid())
    return bool(
        {
            "integer": dtype.is_integer(),
            "boolean": dtype.is_boolean(),
            "time": dtype.is_timestamp() or dtype.is_date(),
        }.get(kind, dtype.is_string())
    )


def _missing(column: Any) -> ir.BooleanValue:
    """NULL, or NaN in a floating column: files written by dataframes use either."""
    missing: ir.BooleanValue = column.isnull()
    return missing | column.isnan() if column.type().is_floating() else missing


def _field_rules(table: ir.Table, terms: Terms) -> list[tuple[str, str, ir.BooleanValue]]:
    found = []
    for item in terms.fields:
        column = table[item.name]
        if not item.optional:
            found.append((item.name, "missing", _missing(column)))
        found += [(item.name, rule, predicate) for rule, predicate in _value_rules(item, column)]
    return found


def _length_rules(table: ir.Table, name: str) -> list[tuple[str, str, ir.BooleanValue]]:
    """Of an id or a unit, where it is a string."""
    column = table[name]
    if not column.type().is_string():
        return []
    rule = f"empty or longer than {MAX_ID_LENGTH} characters"
    return [(name, rule, ~column.length().between(1, MAX_ID_LENGTH))]


def _rules(table: ir.Table, terms: Terms, task: Task) -> list[tuple[str, str, ir.BooleanValue]]:
    found = _field_rules(table, terms)
    found += [(name, "missing", table[name].isnull()) for name in (terms.id, terms.unit, terms.time) if name]
    found += [rule for name in (terms.id, terms.unit) if name for rule in _length_rules(table, name)]
    label = table[terms.label]
    if task == "binary" and not label.type().is_boolean():
        found.append(
            (terms.label, "a binary label is 0, 1 or not yet known", label.notin([0, 1]) & known_label(table, terms))
        )
    if task == "regression" and label.type().is_floating():
        found.append((terms.label, "not a finite number", label.isinf()))
    return found


def _value_rules(item: Field, column: Any) -> list[tuple[str, Any]]:
    if item.bounds:
        low, high = item.bounds
        above = column > high  # engines sort NaN above every number
        if column.type().is_floating():
            above = above & ~column.isnan()
        return [(f"below {low:g}", column < low), (f"above {high:g}", above)]
    if item.kind == "category" and not item.open:
        return [(f"not one of {', '.join(item.categories)}", _none_of(column, item.categories))]
    if item.kind in ("category", "text"):
        longest = item.longest or MAX_LENGTH
        return [(f"longer than {longest:,} characters", column.length() > longest)]
    return []


def _none_of(column: Any, words: tuple[str, ...]) -> ir.BooleanValue:
    """A chain of comparisons, which DuckDB counts faster than NOT IN."""
    different: ir.BooleanValue = functools.reduce(operator.and_, [column != word for word in words])
    return different


def _allowed(table: ir.Table, terms: Terms) -> list[tuple[str, str, ir.BooleanValue]]:
    optional = [(item.name, "optional", _missing(table[item.name])) for item in terms.fields if item.optional]
    return optional + [
        (item.name, "unknown", _none_of(table[item.name], item.categories)) for item in terms.fields if item.open
    ]


def _examples(table: ir.Table, terms: Terms, name: str, predicate: Any) -> tuple[tuple[Any, Any], ...]:
    found = (
        table.filter(predicate).select(_id=table[terms.id], _value=table[name]).limit(EXAMPLES).to_pyarrow().to_pylist()
    )
    hidden = name in terms.personal
    return tuple((row["_id"], "(personal, not shown)" if hidden else row["_value"]) for row in found)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
