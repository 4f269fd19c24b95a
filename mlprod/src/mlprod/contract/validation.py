"""The data check: Ibis aggregates count the rows that break the contract.

They run on the engine that holds the table.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from .classes import class_names, label_kind
from .columns import UNREADABLE, conform, float64_literal, is_missing, type_violation, unreadable
from .date_columns import date_literal
from .dates import DATE_EXAMPLES
from .documentation import bound_text, plain_number
from .examples import MAX_EXAMPLES, violation_with_examples
from .fields import MAX_ID_LENGTH, MAX_TEXT_LENGTH, Field, Task
from .membership import category_table, is_duckdb, is_unknown_category
from .report import CheckReport, ContractViolationError, Violation
from .schema import ContractSchema
from .unknown_words import describe_look_alikes
from .words import by_folded_text, describe_category, fold, join_shortened

__all__ = [
    "CheckReport",
    "ContractViolationError",
    "Violation",
    "check",
    "first_violation",
    "known_label",
    "prepare",
    "violations",
]

# Engines plan a query with several hundred predicates badly.
PREDICATES_PER_QUERY = 100
Rule = tuple[str, str, ir.BooleanValue]


def check(
    table: ir.Table, terms: ContractSchema, task: Task, *, of_file: bool = False
) -> CheckReport:
    """Compare a table with the contract; return the counts, with examples of broken rules.

    Rows `of_file` may come without GROUP, EVENT_TIME and LABEL: such rows can be scored, but not
    used for training.
    """
    kinds = {item.name: str(item.kind) for item in terms.fields} | {terms.id: "id"}
    beside = {
        name: kind
        for name, kind in (
            (terms.unit, "id"),
            (terms.time, "time"),
            (terms.label, label_kind(terms.classes)),
        )
        if name
    }
    kinds |= {name: kind for name, kind in beside.items() if not of_file or name in table.columns}
    if shape := _shape(table, kinds, task, shown=set(kinds) - set(terms.personal)):
        return CheckReport(
            rows=int(table.count().to_pyarrow().as_py()), labeled=0, violations=tuple(shape)
        )
    table, categories = conform(table, kinds), ibis.memtable(category_table(terms.fields))
    rules = [*_field_rules(table, terms, categories), *_rules_beside(table, terms, task, kinds)]
    allowed = _allowed(table, terms, categories)
    labels = [(terms.label, "known", known_label(table, terms))] if terms.label in kinds else []
    rows, totals = _counted(table, [*rules, *allowed, *labels])
    labeled = totals.get((terms.label, "known"), 0)
    broken = [
        _violation(table, terms, name, rule, totals[name, rule], predicate)
        for name, rule, predicate in rules
        if totals[name, rule]
    ]
    if not rows:
        broken.append(
            Violation(terms.id, "no rows at all; does load() look at the right place and time?", 0)
        )
    elif labels and not labeled:
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
        labeled=labeled,
        violations=tuple(broken),
        missing={name: totals[name, kind] for name, kind, _ in allowed if kind == "optional"},
        unknown=unknown,
        alike=tuple(
            describe_look_alikes(
                table, [terms.fields[name] for name in unknown if unknown[name]], terms.personal
            )
        ),
    )


def prepare(table: ir.Table, terms: ContractSchema) -> ir.Table:
    """Return the rows to score, with the columns cast to the types of their fields.

    Raises ContractViolationError if a column is absent, or if its type cannot hold the field.
    """
    kinds = {item.name: str(item.kind) for item in terms.fields} | {terms.id: "id"}
    if shape := _shape(table, kinds, "binary"):
        raise ContractViolationError(CheckReport(rows=0, labeled=0, violations=tuple(shape)))
    return conform(table, kinds)


def first_violation(
    table: ir.Table, terms: ContractSchema, categories: ir.Table | None = None
) -> ir.StringValue:
    """Return for each row the first rule that its id or a field breaks, as "field: rule".

    It is null for a row that breaks no rule. The table comes from `prepare`. `categories` is the
    table of `category_table`, for an engine that holds it already.
    """
    rules = _row_rules(table, terms, categories)
    first: ir.StringValue = ibis.cases(
        *((predicate, f"{name}: {rule}") for name, rule, predicate in rules)
    )
    return first


def _row_rules(
    table: ir.Table, terms: ContractSchema, categories: ir.Table | None = None
) -> list[Rule]:
    rules = [*_presence(table, terms.id, "id"), *_length_rules(table, terms.id)]
    if categories is None:
        categories = ibis.memtable(category_table(terms.fields))
    return rules + _field_rules(table, terms, categories)


def violations(
    table: ir.Table, terms: ContractSchema, counts: Mapping[str, int], limit: int
) -> list[Violation]:
    """Return the rules that most rows break, at most `limit` of them, with example rows.

    The table comes from `prepare`. `counts`: how many rows break each rule, by the names of
    `first_violation`.
    """
    frequent = sorted(counts, key=lambda rule: -counts[rule])[:limit]
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
    return violation_with_examples(
        table,
        name,
        rule,
        count,
        predicate,
        id=terms.id,
        personal=terms.personal,
        categories=_categories(terms, name),
    )


def _categories(terms: ContractSchema, name: str) -> tuple[str, ...]:
    if name == terms.label:
        return class_names(terms.classes)
    return terms.fields[name].categories if name in terms.fields.names else ()


def known_label(table: ir.Table, terms: ContractSchema) -> ir.BooleanValue:
    """Return a predicate for rows whose label is known: neither NULL nor NaN."""
    return ~is_missing(table[terms.label])


def _counted(table: ir.Table, rules: Sequence[Rule]) -> tuple[int, dict[tuple[str, str], int]]:
    """Count the rows, and for each rule the rows for which its predicate holds."""
    totals: dict[tuple[str, str], int] = {}
    rows = 0
    for start in range(0, max(len(rules), 1), PREDICATES_PER_QUERY):
        part = rules[start : start + PREDICATES_PER_QUERY]
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
    """Return columns that are absent, or whose type cannot hold the field.

    The message has some values of a text column in `shown`.
    """
    schema, broken = table.schema(), []
    similar, listing = by_folded_text(schema), f"; it has {join_shortened(schema)}"
    for name, kind in kinds.items():
        if name not in schema:
            near = similar.get(fold(name))
            hint = f", and {near!r} is another name: rename it in load()" if near else ""
            broken.append(Violation(name, f"no such column in the table{hint}{listing}", 0))
            # The columns are listed once.
            listing = ""
        elif (reason := type_violation(schema[name], kind, task)) is not None:
            values = _some_values(table, name) if name in shown and schema[name].is_string() else ""
            broken.append(Violation(name, reason + values, 0))
    return broken


def _some_values(table: ir.Table, name: str) -> str:
    values = (
        table.filter(table[name].notnull())
        .select(name)
        .distinct()
        .order_by(name)
        .limit(MAX_EXAMPLES)
        .to_pyarrow()
    )
    return (
        f"; it has {', '.join(describe_category(text, {}) for text in values[name].to_pylist())}"
        if len(values)
        else ""
    )


def _presence(table: ir.Table, name: str, kind: str, optional: bool = False) -> list[Rule]:
    """Return the rules that a cell has a value and can be read."""
    anomalies, absent = unreadable(table, name), is_missing(table[name])
    if anomalies is None:
        return [] if optional else [(name, "missing", absent)]
    return [
        (name, UNREADABLE[kind], anomalies),
        *([] if optional else [(name, "missing", absent & ~anomalies)]),
    ]


def _field_rules(table: ir.Table, terms: ContractSchema, categories: ir.Table) -> list[Rule]:
    result: list[Rule] = []
    for item in terms.fields:
        result += _presence(table, item.name, item.kind, item.optional)
        result += [
            (item.name, rule, predicate)
            for rule, predicate in _value_rules(item, table, categories)
        ]
    return result


def _rules_beside(
    table: ir.Table, terms: ContractSchema, task: Task, kinds: dict[str, str]
) -> list[Rule]:
    """Return the rules of the columns beside the fields."""
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
    result += _presence(table, terms.label, kinds[terms.label], optional=True)
    if task == "multiclass":
        rule = (
            f"not one of CLASSES, {join_shortened(class_names(terms.classes))} (add it to CLASSES "
            "in contract.py, or change it in load())"
        )
        result.append((terms.label, rule, label.notin(terms.classes) & known_label(table, terms)))
    if task == "binary" and not label.type().is_boolean():
        result.append(
            (
                terms.label,
                "a classifier takes 0 and 1 (for a number, build_model() returns a regressor; for "
                "three or more classes, contract.py lists them in CLASSES)",
                label.notin([0, 1]) & known_label(table, terms),
            )
        )
    if task == "regression" and label.type().is_floating():
        result.append((terms.label, "not a finite number", label.isinf()))
    return result


def _length_rules(table: ir.Table, name: str) -> list[Rule]:
    """Return the rules for the length of an id or a unit, if it is a string."""
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


def _value_rules(item: Field, table: ir.Table, categories: ir.Table) -> list[tuple[str, Any]]:
    column: Any = table[item.name]
    if item.bounds and item.kind in DATE_EXAMPLES:
        low, high = (date_literal(column, item.kind, bound) for bound in item.bounds)
        before, after = (bound_text(item, bound) for bound in item.bounds)
        return [(f"before {before}", column < low), (f"after {after}", column > high)]
    if item.bounds:
        low, high = item.bounds
        # Engines sort NaN above every number.
        above = column > float64_literal(high)
        if column.type().is_floating():
            above = above & ~column.isnan()
        return [
            (f"below {plain_number(low)}", column < float64_literal(low)),
            (f"above {plain_number(high)}", above),
        ]
    if item.kind == "category" and not item.open:
        return [
            (
                f"not one of {join_shortened(item.categories)}",
                is_unknown_category(column, item, categories, is_duckdb(table)),
            )
        ]
    if item.kind in ("category", "text"):
        longest = item.longest or MAX_TEXT_LENGTH
        return [(f"longer than {longest:,} characters", column.length() > longest)]
    return []


def _allowed(table: ir.Table, terms: ContractSchema, categories: ir.Table) -> list[Rule]:
    """Return predicates for allowed missing values and unknown categories."""
    result: list[Rule] = []
    for item in terms.fields:
        if item.optional:
            anomalies, absent = unreadable(table, item.name), is_missing(table[item.name])
            result.append(
                (item.name, "optional", absent if anomalies is None else absent & ~anomalies)
            )
        if item.open:
            result.append(
                (
                    item.name,
                    "unknown",
                    is_unknown_category(table[item.name], item, categories, is_duckdb(table)),
                )
            )
    return result
