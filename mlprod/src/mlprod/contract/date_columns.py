"""Dates and datetimes in the columns of a table, as expressions that every query engine can run.

A text becomes a date or a timestamp only if the calendar has it, since engines fail otherwise.
"""

from datetime import UTC
from typing import Any

import ibis

from .dates import DATE_TEXT_OF_TABLE, DATETIME_TEXT, date_of

SHORT_MONTHS = (4, 6, 9, 11)


def conform_dates(column: Any, kind: str) -> Any:
    """Return a column of timestamps or texts as dates or timestamps; null where it is neither.

    A timestamp is a date if it is at midnight. A text without a time zone is in UTC. A column of
    timestamps for datetimes is returned as it is.
    """
    if column.type().is_string():
        return _dates(column)[0] if kind == "date" else _timestamps(column)
    if kind == "datetime":
        return column
    return ibis.ifelse(column == column.truncate("D"), column, None).cast("date")


def date_literal(column: Any, kind: str, number: float) -> Any:
    """Return the date or datetime of a number as a literal that compares with this column."""
    value: Any = date_of(kind, number)
    if kind == "datetime" and column.type().timezone is None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return ibis.literal(value)


def _dates(text: Any, pattern: str = DATE_TEXT_OF_TABLE) -> tuple[Any, Any]:
    """Return the dates of texts that have the pattern and a day of the calendar, and which do."""
    day = _only(text.re_search(pattern), text.substr(0, 10))
    year, month, number = (
        day.substr(start, length).cast("int32") for start, length in ((0, 4), (5, 2), (8, 2))
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = ibis.cases(
        (month.isin(SHORT_MONTHS), 30), (month == 2, ibis.ifelse(leap, 29, 28)), else_=31
    )
    exists = ((year >= 1) & (number <= last)).fill_null(False)
    return _only(exists, day).cast("date"), exists


def _timestamps(text: Any) -> Any:
    _, exists = _dates(text, DATETIME_TEXT)
    day, clock, seconds, fraction, zone = (
        _only(exists, text.re_extract(DATETIME_TEXT, group)) for group in range(1, 6)
    )
    # Of a part that is absent, some engines return an empty text and some NULL.
    seconds, fraction, zone = (part.fill_null("") for part in (seconds, fraction, zone))
    seconds = ibis.ifelse(seconds == "", ":00", seconds)
    # Digits below a microsecond are cut off, as in a request.
    wall = (day + " " + clock + seconds + fraction.substr(0, 7)).cast("timestamp")
    zone = ibis.ifelse(zone.isin(["", "Z"]), "+00:00", zone)
    minutes = zone.substr(1, 2).cast("int32") * 60 + zone.right(2).cast("int32")
    ahead = ibis.ifelse(zone.startswith("-"), -minutes, minutes)
    return wall - ahead.as_interval("m")


def _only(condition: Any, value: Any) -> Any:
    return ibis.ifelse(condition, value, ibis.null(value.type()))
