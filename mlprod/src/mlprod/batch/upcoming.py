"""The rows to come, which upcoming() of data.py gives and a forecast scores."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from ..contract.schema import ContractSchema
from ..contract.validation import known_label
from ..display.counting import count_of
from ..records.database import now
from ..training.sources import NoRowsError, load_table
from .row_check import engine_errors
from .selection import ScoringFunctions, ScoringInput, period_name

EXAMPLE = (
    "def upcoming(since: datetime, until: datetime) -> ir.Table in data.py, which returns rows "
    "like those of load(), without the label"
)


def select_upcoming(
    domain: ScoringFunctions, since: datetime | None, until: datetime | None
) -> ScoringInput:
    """Select the rows of upcoming(since, until), by default those of tomorrow (UTC).

    With `since` alone it is the day from then on. Raises NoRowsError if the project has no
    upcoming(), if it returns no rows, rows outside of the period, or labels, and ContractError if
    it does not return a table.
    """
    terms = domain.terms
    if domain.upcoming is None:
        raise NoRowsError(f"data.py has no upcoming(); works: {EXAMPLE}")
    if terms.time is None:
        raise NoRowsError(
            "the contract names no EVENT_TIME, so no row is to come; works: EVENT_TIME in "
            "contract.py names the column with the time of each row"
        )
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = since or today + timedelta(days=1)
    until = until or since + timedelta(days=1)
    if since >= until:
        raise NoRowsError(
            f"--since {since} is not before --until {until}; works: --since 2026-06-01 --until "
            "2026-06-08"
        )
    table = load_table(domain.upcoming, since, until, "upcoming()")
    with engine_errors():
        _require_upcoming(table, terms, terms.time, since, until)
    source = f"upcoming(), {since} to {until}"
    return ScoringInput(table, f"upcoming-{period_name(since, until)}", source)


def _require_upcoming(
    table: ir.Table, terms: ContractSchema, time: str, since: datetime, until: datetime
) -> None:
    """Raises NoRowsError unless the table has rows of the period only, and no label."""
    if time not in table.columns:
        raise NoRowsError(
            f"upcoming() returned no column {time!r}, the EVENT_TIME; it has "
            f"{', '.join(table.columns)}"
        )
    at = table[time].cast("timestamp")
    outside = at.isnull() | (at < ibis.literal(since)) | (at >= ibis.literal(until))
    labeled = known_label(table, terms).sum() if terms.label in table.columns else ibis.literal(0)
    counts = (
        table.aggregate(
            rows=table.count(),
            outside=outside.sum(),
            first=at.min(),
            last=at.max(),
            labeled=labeled,
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    if not counts["rows"]:
        raise NoRowsError(
            f"upcoming() returned no rows from {since} to {until}. Check that its source reaches "
            "so far, or choose another period: SINCE=2026-06-01 UNTIL=2026-06-08"
        )
    if counts["outside"]:
        raise NoRowsError(
            f"upcoming() returned {count_of(counts['outside'], 'row')} outside of {since} to "
            f"{until}: {time} reaches from {counts['first']} to {counts['last']}. Works: "
            f"table.filter((table.{time} >= since) & (table.{time} < until))"
        )
    if counts["labeled"]:
        raise NoRowsError(
            f"upcoming() returned {count_of(counts['labeled'], 'row')} with the label "
            f"{terms.label}, so they are not to come. Works: leave the column out, or score them "
            "without UPCOMING"
        )
