"""The check of a batch against the contract, before any row is scored."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import ibis.expr.types as ir

from ..contract.columns import MAX_INVALID_SHARE
from ..contract.membership import is_duckdb
from ..contract.schema import ContractSchema
from ..contract.unknown_words import describe_look_alikes
from ..contract.validation import first_violation, violations
from ..display.counting import count_of
from .output import ScoringError

# the rules that a message shows
MAX_SHOWN = 10


@contextmanager
def engine_errors() -> Iterator[None]:
    """Replace errors of DuckDB with a ScoringError that does not quote the row.

    DuckDB's message contains the unreadable row, and messages end up in logs.
    """
    try:
        yield
    except duckdb.Error as error:
        line = re.search(r"[Ll]ine:? (\d+)", str(error))
        where = (
            f" near line {line[1]}; each line needs one cell for each column"
            if line
            else f": {str(error)[:60]}"
        )
        raise ScoringError(f"the rows cannot be read{where}") from None


def refused_rows(
    table: ir.Table, terms: ContractSchema
) -> tuple[dict[str, int], int, tuple[str, ...]]:
    """Check the rows.

    Returns the number of rows that break the contract by rule, the number of all rows, and notes
    about the refused ones. Raises ScoringError if the run must not start.
    """
    counts = (
        table.select(rule=first_violation(table, terms))
        .group_by("rule")
        .aggregate(rows=lambda marked: marked.count())
    )
    result = {item["rule"]: int(item["rows"]) for item in counts.to_pyarrow().to_pylist()}
    rows, id = sum(result.values()), table[terms.id]
    refused = {rule: count for rule, count in sorted(result.items(), key=str) if rule is not None}
    if not rows:
        raise ScoringError("there are no rows; check the source and the period of load()")
    broken = violations(table, terms, refused, MAX_SHOWN)
    more = (
        [f"… and {len(refused) - len(broken):,} more rules broken"]
        if len(refused) > len(broken)
        else []
    )
    if sum(refused.values()) > MAX_INVALID_SHARE * rows:
        message = "; ".join([*(entry.describe() for entry in broken), *more])
        raise ScoringError(
            f"more than {MAX_INVALID_SHARE:.0%} of {rows:,} rows break the contract: {message}"
        )
    ids = table.aggregate(known=id.count(), different=id.nunique()).to_pyarrow().to_pylist()[0]
    if repeated := ids["known"] - ids["different"]:
        raise ScoringError(
            f"{terms.id} has {repeated:,} duplicate values; ids must be unique, because an id "
            "names one case"
        )
    # One query for each open field: only DuckDB is fast enough.
    open_fields = [field for field in terms.fields if field.open] if is_duckdb(table) else []
    alike = describe_look_alikes(table, open_fields, terms.personal)
    lines = [
        f"no score for {count_of(element.count, 'row')}: {element.field}: "
        f"{element.rule}{element.shown}"
        for element in broken
    ]
    return refused, rows, (*lines, *more, *alike)
