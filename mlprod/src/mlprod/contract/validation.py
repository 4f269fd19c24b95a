"""The data check: a few Ibis aggregates count what breaks the contract, on whatever engine holds
the table.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from .columns import UNREADABLE, conformed, exact, missing, type_violation, unreadable
from .documentation import plain
from .examples import EXAMPLES, violation
from .fields import MAX_ID_LENGTH, MAX_LENGTH, Field, Task
from .membership import is_duckdb, none_of, words_of
from .report import CheckReport, ContractViolationError, Violation
from .schema import ContractSchema
from .unknown_words import look_alikes
from .words import by_look, explained, folded, listed

__all__ = [
    "CheckReport",
    "ContractViolationError",
    "Violation",
    "check",
    "first_violation",
    "known_label",
    "prepared",
    "violations",
]

AT_ONCE = 100  # predicates counted in one query: engines plan some hundreds badly
Rule = tuple[str, str, ir.BooleanValue]


def check(
    table: ir.Table, terms: ContractSchema, task: Task, *, of_file: bool = False
) -> CheckReport:
    """Compare a table with the contract: aggregates for the counts, one over the ids, examples for
    broken rules.

    The rows of a file may come without GROUP, EVENT_TIME and LABEL: they can be scored, though not
    learned from.
    """
    kinds = {item.name: str(item.kind) for item in terms.fields} | {terms.id: "id"}
    beside = {
        name: kind
        for name, kind in ((terms.unit, "id"), (terms.time, "time"), (terms.label, "label"))
        if name
    }
    kinds |= {name: kind for name, kind in beside.items() if not of_file or name in table.columns}
    if shape := _shape(table, kinds, task, shown=set(kinds) - set(terms.personal)):
        return CheckReport(
            rows=int(table.count().to_pyarrow().as_py()), labelled=0, violations=tuple(shape)
        )
    table, parts = conformed(table, kinds), ibis.memtable(words_of(terms.fields))
    rules = [*_field_rules(table, terms, parts), *_rules_beside(table, terms, task, kinds)]
    allowed = _allowed(table, terms, parts)
    labels = [(terms.label, "known", known_label(table, terms))] if terms.label in kinds else []
    rows, totals = _counted(table, [*rules, *allowed, *labels])
    labelled = totals.get((terms.label, "known"), 0)
    broken = [
        _violation(table, terms, name, rule, totals[name, rule], predicate)
        for name, rule, predicate in rules
        if totals[name, rule]
    ]
    if not rows:
        broken.append(
            Violation(terms.id, "no rows at all; does load() look at the right place and time?", 0)
        )
    elif labels and not labelled:
        broken.append(Violation(terms.label, "no row has a label yet", rows))
    ids = (
        table.filter(table[terms.id].notnull())
        .select(terms.id)
        .distinct()
        .count()
        .to_pyarrow()
        .as_py()
    )
    nameless = sum(totals.get((terms.id, rule), 0) for rule in ("missing", UNREADABLE["id"]))
    if repeated := rows - nameless - ids:
        broken.append(Violation(terms.id, "repeated: an id must name one row", repeated))
    unknown = {name: totals[name, kind] for name, kind, _ in allowed if kind == "unknown"}
    return CheckReport(
        rows=rows,
        labelled=labelled,
        violations=tuple(broken),
        missing={name: totals[name, kind] for name, kind, _ in allowed if kind == "optional"},
        unknown=unknown,
        alike=tuple(
            look_alikes(
                table, [terms.fields[name] for name in unknown if unknown[name]], terms.personal
            )
        ),
    )


def prepared(table: ir.Table, terms: ContractSchema) -> ir.Table:
    """The rows to be scored, their columns as the fields hold them.

    Raises ContractViolationError when a column is absent or of a type that cannot hold the field.
    """
    kinds = {item.name: str(item.kind) for item in terms.fields} | {terms.id: "id"}
    if shape := _shape(table, kinds, "binary"):
        raise ContractViolationError(CheckReport(rows=0, labelled=0, violations=tuple(shape)))
    return conformed(table, kinds)


def first_violation(
    table: ir.Table, terms: ContractSchema, words: ir.Table | None = None
) -> ir.StringValue:
    """For each row of a `prepared` table the first rule that its id or a field of it breaks, as
    "field: rule"; null where it breaks none. `words` is what `words_of` gives, for an engine that
    holds it already.
    """
    rules = _row_rules(table, terms, words)
    first: ir.StringValue = ibis.cases(
        *((predicate, f"{name}: {rule}") for name, rule, predicate in rules)
    )
    return first


def _row_rules(table: ir.Table, terms: ContractSchema, words: ir.Table | None = None) -> list[Rule]:
    rules = [*_presence(table, terms.id, "id"), *_length_rules(table, terms.id)]
    return rules + _field_rules(
        table, terms, ibis.memtable(words_of(terms.fields)) if words is None else words
    )


def violations(
    table: ir.Table, terms: ContractSchema, counts: Mapping[str, int], most: int
) -> list[Violation]:
    """The rules that most rows of a `prepared` table break, as `first_violation` names and somebody
    counted them, with some of these rows.
    """
    frequent = sorted(counts, key=lambda rule: -counts[rule])[:most]
    rules = {
        f"{name}: {rule}": (name, rule, predicate)
        for name, rule, predicate in _row_rules(table, terms)
    }
    return [
        _violation(table, terms, name, rule, counts[f"{name}: {rule}"], predicate)
        for name, rule, predicate in (rules[key] for key in frequent)
    ]


def _violation(
    table: ir.Table, terms: ContractSchema, name: str, rule: str, count: int, predicate: Any
) -> Violation:
    parts = terms.fields[name].categories if name in terms.fields.names else ()
    return violation(
        table, name, rule, count, predicate, id=terms.id, personal=terms.personal, words=parts
    )


def known_label(table: ir.Table, terms: ContractSchema) -> ir.BooleanValue:
    """Rows whose label is known: neither NULL nor NaN."""
    return ~missing(table[terms.label])


def _counted(table: ir.Table, rules: Sequence[Rule]) -> tuple[int, dict[tuple[str, str], int]]:
    """How many rows there are, and for how many of them each rule's predicate holds."""
    totals: dict[tuple[str, str], int] = {}
    rows = 0
    for start in range(0, max(len(rules), 1), AT_ONCE):
        part = rules[start : start + AT_ONCE]
        sums = {
            f"c{place}": predicate.ifelse(1, 0).sum()
            for place, (_, _, predicate) in enumerate(part)
        }
        result: dict[str, Any] = (
            table.aggregate(_rows=table.count(), **sums).to_pyarrow().to_pylist()[0]
        )
        rows = int(result["_rows"])
        totals |= {
            (name, rule): int(result[f"c{place}"] or 0)
            for place, (name, rule, _) in enumerate(part)
        }
    return rows, totals


def _shape(
    table: ir.Table, kinds: dict[str, str], task: Task, shown: Collection[str] = ()
) -> list[Violation]:
    """Columns that are absent or of a type that cannot hold the field; with some of its text, where
    it may be shown.
    """
    schema, broken = table.schema(), []
    looks, listing = by_look(schema), f"; it has {listed(schema)}"
    for name, kind in kinds.items():
        if name not in schema:
            near = looks.get(folded(name))
            hint = f", and {near!r} is another name: rename it in load()" if near else ""
            broken.append(Violation(name, f"no such column in the table{hint}{listing}", 0))
            listing = ""  # once is enough
        elif (reason := type_violation(schema[name], kind, task)) is not None:
            parts = _some_words(table, name) if name in shown and schema[name].is_string() else ""
            broken.append(Violation(name, reason + parts, 0))
    return broken


def _some_words(table: ir.Table, name: str) -> str:
    parts = (
        table.filter(table[name].notnull())
        .select(name)
        .distinct()
        .order_by(name)
        .limit(EXAMPLES)
        .to_pyarrow()
    )
    return (
        f"; it has {', '.join(explained(word, {}) for word in parts[name].to_pylist())}"
        if len(parts)
        else ""
    )


def _presence(table: ir.Table, name: str, kind: str, optional: bool = False) -> list[Rule]:
    """A cell is there, and can be read."""
    anomalies, absent = unreadable(table, name), missing(table[name])
    if anomalies is None:
        return [] if optional else [(name, "missing", absent)]
    return [
        (name, UNREADABLE[kind], anomalies),
        *([] if optional else [(name, "missing", absent & ~anomalies)]),
    ]


def _field_rules(table: ir.Table, terms: ContractSchema, words: ir.Table) -> list[Rule]:
    result: list[Rule] = []
    for item in terms.fields:
        result += _presence(table, item.name, item.kind, item.optional)
        result += [
            (item.name, rule, predicate) for rule, predicate in _value_rules(item, table, words)
        ]
    return result


def _rules_beside(
    table: ir.Table, terms: ContractSchema, task: Task, kinds: dict[str, str]
) -> list[Rule]:
    """Rules of the columns beside the fields."""
    result = [
        rule
        for name in (terms.id, terms.unit, terms.time)
        if name in kinds
        for rule in _presence(table, name, kinds[name])
    ]
    result += [
        rule
        for name in (terms.id, terms.unit)
        if name in kinds
        for rule in _length_rules(table, name)
    ]
    if terms.label not in kinds:
        return result
    label = table[terms.label]
    result += _presence(table, terms.label, "label", optional=True)
    if task == "binary" and not label.type().is_boolean():
        result.append(
            (
                terms.label,
                "a binary label is 0, 1 or not yet known",
                label.notin([0, 1]) & known_label(table, terms),
            )
        )
    if task == "regression" and label.type().is_floating():
        result.append((terms.label, "not a finite number", label.isinf()))
    return result


def _length_rules(table: ir.Table, name: str) -> list[Rule]:
    """Of an id or a unit, where it is a string."""
    column: Any = table[name]
    if not column.type().is_string():
        return []
    return [
        (
            name,
            f"empty or longer than {MAX_ID_LENGTH} characters",
            ~column.length().between(1, MAX_ID_LENGTH),
        )
    ]


def _value_rules(item: Field, table: ir.Table, words: ir.Table) -> list[tuple[str, Any]]:
    column: Any = table[item.name]
    if item.bounds:
        low, high = item.bounds
        above = column > exact(high)  # engines sort NaN above every number
        if column.type().is_floating():
            above = above & ~column.isnan()
        return [(f"below {plain(low)}", column < exact(low)), (f"above {plain(high)}", above)]
    if item.kind == "category" and not item.open:
        return [
            (
                f"not one of {listed(item.categories)}",
                none_of(column, item, words, is_duckdb(table)),
            )
        ]
    if item.kind in ("category", "text"):
        longest = item.longest or MAX_LENGTH
        return [(f"longer than {longest:,} characters", column.length() > longest)]
    return []


def _allowed(table: ir.Table, terms: ContractSchema, words: ir.Table) -> list[Rule]:
    result: list[Rule] = []
    for item in terms.fields:
        if item.optional:
            anomalies, absent = unreadable(table, item.name), missing(table[item.name])
            result.append(
                (item.name, "optional", absent if anomalies is None else absent & ~anomalies)
            )
        if item.open:
            result.append(
                (item.name, "unknown", none_of(table[item.name], item, words, is_duckdb(table)))
            )
    return result
