"""The conversion of CSV cells from text to values.

An unreadable cell never becomes another value.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from ..contract.dates import parse_date, parse_datetime
from .columns import Column

# text that is a missing value for a number, a boolean or a time, in any case
MISSING = {
    "",
    "\\n",
    "null",
    "nan",
    "na",
    "n/a",
    "none",
    "nat",
    "<na>",
    "#n/a",
    "#nv",
    "#n/d",
}
# text that is a missing value for a category, a text or an id, as written
MISSING_WORDS = {"", "\\N", "NULL", "null", "NaN", "nan", "NaT", "<NA>", "#N/A", "#NV", "#N/D"}
TRUE = {
    "true",
    "t",
    "yes",
    "y",
    "on",
    "1",
    "1.0",
    "1,0",
    "wahr",
    "vrai",
    "verdadero",
    "vero",
    "verdadeiro",
    "waar",
}
FALSE = {"false", "f", "no", "n", "off", "0", "0.0", "0,0", "falsch", "faux", "falso", "onwaar"}
# the characters of an unreadable cell that a message may show
MAX_SHOWN_CHARACTERS = 200
NUMBERS = ("number", "integer", "label")
NUMBER = {mark: rf"^[+-]?(\d+([{mark}]\d*)?|[{mark}]\d+)([eE][+-]?\d+)?$" for mark in ".,"}
# Numbers whose mark must be a decimal mark. In others, a mark before three digits may separate
# thousands.
FRACTION = {
    mark: (
        rf"^[+-]?(\d*[{mark}]\d{{1,2}}|\d*[{mark}]\d{{4,}}|0?[{mark}]\d+|\d{{4,}}[{mark}]\d*)"
        r"([eE][+-]?\d+)?$"
    )
    for mark in ".,"
}
# 1.23E+15: a long number that a spreadsheet has rounded
ROUNDED = r"^-?\d([.,]\d+)?E\+\d{2,}$"
# The time of day of a date that a table wrote as a timestamp.
MIDNIGHT = r"[T ]00:00(:00([.]0+)?)?$"
TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.]\d{1,9})?)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?$"
# the values, and the text of the unreadable cells (null for all others)
ParsedColumn = tuple[pa.Array, pa.Array]


class Cells:
    """Reads the columns of one file.

    The first number with a fraction decides whether the file has a decimal comma.
    """

    def __init__(self) -> None:
        self.mark = ""

    def read(self, columns: Mapping[Column, pa.Array]) -> dict[Column, ParsedColumn]:
        """Convert columns of text [rows], in which empty cells are null."""
        if not self.mark:
            self.mark = _mark(
                [cells for column, cells in columns.items() if column.kind in NUMBERS]
            )
        return {column: self._column(column, cells) for column, cells in columns.items()}

    def _column(self, column: Column, cells: pa.Array) -> ParsedColumn:
        if column.kind in ("number", "integer"):
            return (
                _whole(*self._numbers(cells)) if column.kind == "integer" else self._numbers(cells)
            )
        if column.kind == "label":
            return _or_booleans(*self._numbers(cells))
        if column.kind == "boolean":
            return _booleans(cells)
        if column.kind == "time":
            return _times(cells)
        if column.kind == "date":
            return _dates(cells)
        if column.kind == "datetime":
            return _datetimes(cells)
        return _texts(column, cells)

    def _numbers(self, cells: pa.Array) -> ParsedColumn:
        if self.mark != ",":
            try:
                values = pc.cast(cells, pa.float64())
                if pc.all(pc.is_finite(values)).as_py() is not False:
                    return values, pa.nulls(len(cells), pa.string())
            except pa.ArrowInvalid:
                # The code below converts cell by cell.
                pass
        text = pc.utf8_trim_whitespace(cells)
        shaped = pc.match_substring_regex(text, NUMBER[self.mark or "."])
        digits = pc.if_else(shaped, text, None)
        values = pc.cast(
            pc.replace_substring(digits, ",", ".") if self.mark == "," else digits, pa.float64()
        )
        values = pc.if_else(pc.is_finite(values), values, None)
        return values, _unread(cells, values, _among(text, MISSING))


def _mark(columns: Iterable[pa.Array]) -> str:
    """Return the decimal mark of these numbers.

    It is a comma only if the commas cannot be anything else, and empty if no number has a fraction.
    """
    points = commas = fractions = False
    for cells in columns:
        point, comma = (pc.any(pc.match_substring(cells, mark)).as_py() for mark in ".,")
        text = pc.utf8_trim_whitespace(cells) if point or comma else cells
        points = points or bool(point and _any(text, NUMBER["."]))
        fractions = fractions or bool(point and _any(text, FRACTION["."]))
        commas = commas or bool(comma and _any(text, FRACTION[","]))
    return "," if commas and not fractions else "." if points else ""


def _any(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _unread(cells: pa.Array, values: pa.Array, absent: pa.Array) -> pa.Array:
    """Return the text of cells that are neither empty nor marked as missing, and have no value."""
    unread = pc.and_(pc.and_(pc.is_valid(cells), pc.is_null(values)), pc.invert(absent))
    return pc.if_else(
        unread,
        pc.utf8_slice_codeunits(cells, 0, MAX_SHOWN_CHARACTERS),
        pa.scalar(None, pa.string()),
    )


def _among(text: pa.Array, parts: set[str]) -> pa.Array:
    return pc.is_in(pc.utf8_lower(text), pa.array(sorted(parts)))


def _whole(values: pa.Array, unread: pa.Array) -> ParsedColumn:
    anomalies = pc.fill_null(pc.not_equal(values, pc.round(values)), False)
    if not pc.any(anomalies).as_py():
        return values, unread
    return pc.if_else(anomalies, None, values), pc.if_else(
        anomalies, pc.cast(values, pa.string()), unread
    )


def _booleans(cells: pa.Array) -> ParsedColumn:
    text = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    true, false = (pc.is_in(text, pa.array(sorted(parts))) for parts in (TRUE, FALSE))
    values = pc.if_else(true, True, pc.if_else(false, False, pa.scalar(None, pa.bool_())))
    return values, _unread(cells, values, _among(text, MISSING))


def _or_booleans(values: pa.Array, unread: pa.Array) -> ParsedColumn:
    """Convert yes and no among unread cells to 1 and 0."""
    truths, unread = _booleans(unread)
    return pc.coalesce(values, pc.cast(pc.cast(truths, pa.int8()), pa.float64())), unread


def _time(text: str | None) -> datetime | None:
    """Convert text to a time in UTC without a time zone; None for a date that does not exist."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace("UTC", "Z").replace(" Z", "Z").replace(" +", "+"))
    except ValueError:
        return None
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _times(cells: pa.Array) -> ParsedColumn:
    text = pc.utf8_trim_whitespace(cells)
    shaped = pc.if_else(pc.match_substring_regex(text, TIME), text, None)
    values = pa.array([_time(item) for item in shaped.to_pylist()], pa.timestamp("us"))
    return values, _unread(cells, values, _among(text, MISSING))


def _dates(cells: pa.Array) -> ParsedColumn:
    text = pc.utf8_trim_whitespace(cells)
    days = pc.replace_substring_regex(text, MIDNIGHT, "")
    values = pa.array([_parsed(parse_date, item) for item in days.to_pylist()], pa.date32())
    return values, _unread(cells, values, _among(text, MISSING))


def _datetimes(cells: pa.Array) -> ParsedColumn:
    text = pc.utf8_trim_whitespace(cells)
    values = pa.array(
        [_parsed(parse_datetime, item) for item in text.to_pylist()], pa.timestamp("us")
    )
    return values, _unread(cells, values, _among(text, MISSING))


def _parsed(parse: Callable[[str], date], text: str | None) -> date | None:
    try:
        return None if text is None else parse(text)
    except ValueError:
        return None


def _texts(column: Column, cells: pa.Array) -> ParsedColumn:
    absent = pc.is_in(
        pc.utf8_trim_whitespace(cells), pa.array(sorted(MISSING_WORDS - column.categories))
    )
    values = pc.if_else(absent, None, cells)
    if column.kind != "id":
        return values, pa.nulls(len(cells), pa.string())
    rounded = pc.fill_null(pc.match_substring_regex(values, ROUNDED), False)
    return pc.if_else(rounded, None, values), pc.if_else(
        rounded, values, pa.scalar(None, pa.string())
    )
