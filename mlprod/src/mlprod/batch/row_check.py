"""The rows of a batch by the rules of the contract, before any of them is scored."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import ibis.expr.types as ir

from ..contract.columns import MAX_REFUSED
from ..contract.membership import is_duckdb
from ..contract.schema import ContractSchema
from ..contract.unknown_words import look_alikes
from ..contract.validation import first_violation, violations
from .output import ScoringError

MAX_SHOWN = 10  # rules in a message


@contextmanager
def engine_errors() -> Iterator[None]:
    """DuckDB says what it could not read with the row in which it stood; where that is said on is a
    log.
    """
    try:
        yield
    except duckdb.Error as error:
        line = re.search(r"[Ll]ine:? (\d+)", str(error))
        where = (
            f" about line {line[1]}: has it a cell for each column?"
            if line
            else f": {str(error)[:60]}"
        )
        raise ScoringError(f"the rows cannot be read{where}") from None


def refused_rows(
    table: ir.Table, terms: ContractSchema
) -> tuple[dict[str, int], int, tuple[str, ...]]:
    """How many rows break the contract, by rule, how many there are, and notes about them.

    Raises ScoringError before anything is done.
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
        raise ScoringError("there are no rows; does load() look at the right place and time?")
    broken = violations(table, terms, refused, MAX_SHOWN)
    more = (
        [f"… and {len(refused) - len(broken):,} more rules broken"]
        if len(refused) > len(broken)
        else []
    )
    if sum(refused.values()) > MAX_REFUSED * rows:
        message = "; ".join([*(entry.describe() for entry in broken), *more])
        raise ScoringError(
            f"more than {MAX_REFUSED:.0%} of {rows:,} rows break the contract: {message}"
        )
    ids = table.aggregate(known=id.count(), different=id.nunique()).to_pyarrow().to_pylist()[0]
    if repeated := ids["known"] - ids["different"]:
        raise ScoringError(
            f"{terms.id} stands {repeated:,} times again under another row; an id names one case"
        )
    open_fields = (
        [field for field in terms.fields if field.open] if is_duckdb(table) else []
    )  # a query for each
    alike = look_alikes(table, open_fields, terms.personal)
    lines = [
        f"{element.count:,} rows have no score: {element.field}: {element.rule}{element.shown}"
        for element in broken
    ]
    return refused, rows, (*lines, *more, *alike)
