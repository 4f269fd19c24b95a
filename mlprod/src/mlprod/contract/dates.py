"""Dates and datetimes: their texts in ISO 8601, and their numbers in columns.

A date is the number of days since 1970-01-01, a datetime that of seconds since 1970-01-01 UTC. A
datetime without a time zone is taken as UTC.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta

# The kinds of these fields, with a text that works.
DATE_EXAMPLES = {"date": "2026-06-01", "datetime": "2026-06-01T12:30:00Z"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NO_SUCH_DAY = "not a day of the calendar"

# For Python and for the regular expressions of query engines.
DAY = r"([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))"
CLOCK = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(:[0-5][0-9])?([.][0-9]{1,9})?"
ZONE = r"(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
DATE_TEXT = f"^{DAY}$"
# Tables write the dates of a timestamp column with a time of midnight.
DATE_TEXT_OF_TABLE = f"^{DAY}([T ]00:00(:00([.]0+)?)?)?$"
DATETIME_TEXT = f"^{DAY}[T ]{CLOCK}{ZONE}$"


def parse_date(text: str) -> date:
    """Parse a date such as 2026-06-01.

    Raises ValueError; its message does not repeat the text, which may be personal.
    """
    if not re.fullmatch(DATE_TEXT, text):
        raise ValueError(f"not a date such as {DATE_EXAMPLES['date']}")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(NO_SUCH_DAY) from None


def parse_datetime(text: str) -> datetime:
    """Parse a datetime such as 2026-06-01T12:30:00Z to UTC; digits below a microsecond are cut off.

    Raises ValueError; its message does not repeat the text, which may be personal.
    """
    if not re.fullmatch(DATETIME_TEXT, text):
        raise ValueError(f"not a datetime such as {DATE_EXAMPLES['datetime']}")
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(NO_SUCH_DAY) from None


def as_utc(at: datetime) -> datetime:
    """Return a datetime in UTC; without a time zone it is UTC already.

    Raises OverflowError if it is outside the calendar in UTC.
    """
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def number_of(value: date | float | None) -> float:
    """Return the number of a date or datetime; a number stays as it is, and None becomes NaN."""
    if isinstance(value, datetime):
        return (as_utc(value) - EPOCH) // MICROSECOND / 1e6
    if isinstance(value, date):
        return float((value - EPOCH.date()).days)
    return math.nan if value is None else float(value)


def date_of(kind: str, number: float) -> date:
    """Return the date at or before a number, or the datetime in UTC that is nearest to it.

    Between the years 1698 and 2242 float64 holds each microsecond.
    """
    whole = math.floor(number)
    if kind == "date":
        return EPOCH.date() + timedelta(days=whole)
    return EPOCH + timedelta(seconds=whole, microseconds=round((number - whole) * 1e6))


def text_of(value: date) -> str:
    """Return the ISO 8601 text of a date or a datetime, as in a request."""
    if isinstance(value, datetime):
        return as_utc(value).isoformat().replace("+00:00", "Z")
    return value.isoformat()
