"""Examples of rows that break a rule, for messages.

A message names a row by the line of its file, or by its id.
"""

from collections.abc import Collection, Mapping

import ibis
import ibis.expr.types as ir

from .columns import CELL_REMEDIES, LINE_COLUMN, UNREADABLE, UNREADABLE_PREFIX, unreadable
from .report import Violation

# Rows that a message shows for a broken rule.
MAX_EXAMPLES = 3
HIDDEN = "(personal, not shown)"


def violation_with_examples(
    table: ir.Table,
    name: str,
    rule: str,
    count: int,
    predicate: ir.BooleanValue,
    *,
    id: str | None = None,
    personal: Collection[str] = (),
    categories: tuple[str, ...] = (),
) -> Violation:
    """Return a broken rule with the first rows that break it.

    The value of a cell that cannot be read is its text.
    """
    is_unreadable = rule in UNREADABLE.values() and UNREADABLE_PREFIX + name in table.columns
    by = LINE_COLUMN if LINE_COLUMN in table.columns else id if id in table.columns else None
    shown = {"_value": table[UNREADABLE_PREFIX + name] if is_unreadable else table[name]} | (
        {"_row": table[by]} if by else {}
    )
    rows = table.filter(predicate).select(**shown).limit(MAX_EXAMPLES).to_pyarrow().to_pylist()
    result = tuple((row.get("_row"), HIDDEN if name in personal else row["_value"]) for row in rows)
    allowed = () if name in personal else categories
    place = {LINE_COLUMN: "line", None: ""}.get(by, "row")
    remedy = CELL_REMEDIES.get(rule, "") if is_unreadable else ""
    return Violation(name, rule, count, result, allowed, place, remedy)


def unreadable_cells(
    table: ir.Table, kinds: Mapping[str, str], personal: Collection[str] = ()
) -> tuple[int, int, list[Violation]]:
    """Count the rows, and the rows with a cell that cannot be read, and describe those cells."""
    marks = {
        name: anomalies for name in kinds if (anomalies := unreadable(table, name)) is not None
    }
    if not marks:
        return 0, 0, []
    names = list(marks)
    every = {f"c{place}": marks[name].ifelse(1, 0).sum() for place, name in enumerate(names)}
    unreadable_rows = has_unreadable_cell(table, kinds).ifelse(1, 0).sum()
    result = (
        table.aggregate(_rows=table.count(), _unreadable_rows=unreadable_rows, **every)
        .to_pyarrow()
        .to_pylist()[0]
    )
    broken = [
        violation_with_examples(
            table, name, UNREADABLE[kinds[name]], count, marks[name], personal=personal
        )
        for place, name in enumerate(names)
        if (count := int(result[f"c{place}"] or 0))
    ]
    return int(result["_rows"]), int(result["_unreadable_rows"] or 0), broken


def has_unreadable_cell(table: ir.Table, kinds: Mapping[str, str]) -> ir.BooleanValue:
    """Return a predicate for rows with a cell that cannot be read."""
    marks = [
        table[UNREADABLE_PREFIX + name]
        for name in kinds
        if UNREADABLE_PREFIX + name in table.columns
    ]
    return ibis.coalesce(*marks).notnull()
