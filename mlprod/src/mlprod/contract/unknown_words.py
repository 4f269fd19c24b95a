"""Find categories that count as unknown although they look like known ones."""

from collections.abc import Collection, Iterable

import ibis
import ibis.expr.types as ir

from ..display.counting import count_of
from .fields import Field
from .membership import category_table, is_duckdb, is_unknown_category
from .words import by_folded_text, describe_category, fold

# Unknown categories of a field that are compared, the most frequent first.
MAX_UNKNOWN = 1_000
# Lines of a report.
MAX_LINES = 20


def describe_look_alikes(
    table: ir.Table, fields: Iterable[Field], personal: Collection[str] = ()
) -> list[str]:
    """Describe unknown categories of these open fields that look like known ones.

    Returns a sentence for each category. The values of personal fields are not shown.
    """
    result = []
    for field in fields:
        known, column = by_folded_text(field.categories), table[field.name]
        unknown = is_unknown_category(
            column, field, ibis.memtable(category_table([field])), is_duckdb(table)
        )
        counts = (
            table.filter(unknown).group_by(word=column).aggregate(rows=lambda rows: rows.count())
        )
        frequent = (
            counts.order_by(ibis.desc("rows"), "word").limit(MAX_UNKNOWN).to_pyarrow().to_pylist()
        )
        for word, rows in ((item["word"], item["rows"]) for item in frequent):
            if fold(word) in known:
                shown = (
                    "a category (personal, not shown)"
                    if field.name in personal
                    else describe_category(word, known)
                )
                result.append(
                    f"{field.name}: {shown} looks like a known category and counts as "
                    f"unknown: {count_of(rows, 'row')}"
                )
    more = (
        [f"… and {len(result) - MAX_LINES:,} more such categories"]
        if len(result) > MAX_LINES
        else []
    )
    return [*result[:MAX_LINES], *more]
