"""Words that count as unknown although they look like known ones."""

from collections.abc import Collection, Iterable

import ibis
import ibis.expr.types as ir

from .fields import Field
from .membership import is_duckdb, none_of, words_of
from .words import by_look, explained, folded

LOOKED_AT = 1_000  # unknown words of a field, the most frequent first
SHOWN = 20  # lines


def look_alikes(
    table: ir.Table, fields: Iterable[Field], personal: Collection[str] = ()
) -> list[str]:
    """What stands in these open fields, is unknown and looks like a known word; one sentence for
    each word.
    """
    result = []
    for field in fields:
        looks, column = by_look(field.categories), table[field.name]
        unknown = none_of(column, field, ibis.memtable(words_of([field])), is_duckdb(table))
        counts = (
            table.filter(unknown).group_by(word=column).aggregate(rows=lambda rows: rows.count())
        )
        frequent = (
            counts.order_by(ibis.desc("rows"), "word").limit(LOOKED_AT).to_pyarrow().to_pylist()
        )
        for word, rows in ((item["word"], item["rows"]) for item in frequent):
            if folded(word) in looks:
                shown = (
                    "a word (personal, not shown)"
                    if field.name in personal
                    else explained(word, looks)
                )
                result.append(
                    f"{field.name}: {shown} looks like a known category and counts as "
                    f"unknown: {rows:,} rows"
                )
    more = [f"… and {len(result) - SHOWN:,} more such words"] if len(result) > SHOWN else []
    return [*result[:SHOWN], *more]
