"""Some rows that break a rule, as a message shows them: by the line of their file, else by their
id.
"""

from collections.abc import Collection, Mapping

import ibis
import ibis.expr.types as ir

from .columns import LINE, MARK, REMEDIES, UNREADABLE, unreadable
from .report import Violation

EXAMPLES = 3  # bad rows shown for a broken rule
HIDDEN = "(personal, not shown)"


def violation(
    table: ir.Table,
    name: str,
    rule: str,
    count: int,
    predicate: ir.BooleanValue,
    *,
    id: str | None = None,
    personal: Collection[str] = (),
    words: tuple[str, ...] = (),
) -> Violation:
    """A broken rule with the first rows that break it; the value of a cell that cannot be read is
    its text.
    """
    anomalies = rule in UNREADABLE.values() and MARK + name in table.columns
    by = LINE if LINE in table.columns else id if id in table.columns else None
    shown = {"_value": table[MARK + name] if anomalies else table[name]} | (
        {"_row": table[by]} if by else {}
    )
    rows = table.filter(predicate).select(**shown).limit(EXAMPLES).to_pyarrow().to_pylist()
    result = tuple((row.get("_row"), HIDDEN if name in personal else row["_value"]) for row in rows)
    hidden = () if name in personal else words
    place = {LINE: "line", None: ""}.get(by, "row")
    return Violation(
        name, rule, count, result, hidden, place, REMEDIES.get(rule, "") if anomalies else ""
    )


def unreadable_cells(
    table: ir.Table, kinds: Mapping[str, str], personal: Collection[str] = ()
) -> tuple[int, int, list[Violation]]:
    """How many rows there are, how many have a cell that cannot be read, and which cells those are."""
    marks = {
        name: anomalies for name in kinds if (anomalies := unreadable(table, name)) is not None
    }
    if not marks:
        return 0, 0, []
    names = list(marks)
    every = {f"c{place}": marks[name].ifelse(1, 0).sum() for place, name in enumerate(names)}
    unusual = any_of(table, kinds)
    result = (
        table.aggregate(_rows=table.count(), _odd=unusual.ifelse(1, 0).sum(), **every)
        .to_pyarrow()
        .to_pylist()[0]
    )
    broken = [
        violation(table, name, UNREADABLE[kinds[name]], count, marks[name], personal=personal)
        for place, name in enumerate(names)
        if (count := int(result[f"c{place}"] or 0))
    ]
    return int(result["_rows"]), int(result["_odd"] or 0), broken


def any_of(table: ir.Table, kinds: Mapping[str, str]) -> ir.BooleanValue:
    """Rows with a cell that cannot be read."""
    marks = [table[MARK + name] for name in kinds if MARK + name in table.columns]
    return ibis.coalesce(*marks).notnull()
