import contextlib
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlprod.contract.date_columns import conform_dates
from mlprod.contract.dates import date_of, number_of, parse_date, parse_datetime, text_of

GOOD_DATES = ["2026-06-01", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"]
BAD_DATES = [
    "2026-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-6-1", "20260601",
    "01.06.2026", "0000-01-01", "2026-06-01T12:30", "2026-06-01T00:00:00Z", "2026-W23-1",
    "1780272000", "٢٠٢٦-٠٦-٠١", "2026-06-01 ", "2026-06-01\n", "tomorrow", "",
]  # fmt: skip
# The same moment in UTC, without its zone.
GOOD_DATETIMES = {
    "2026-06-01T12:30:00Z": datetime(2026, 6, 1, 12, 30),
    "2026-06-01 12:30": datetime(2026, 6, 1, 12, 30),
    "2026-06-01T12:30:05+02:00": datetime(2026, 6, 1, 10, 30, 5),
    "2026-06-01T00:30-0530": datetime(2026, 6, 1, 6, 0),
    "2026-06-01T12:30:05.5": datetime(2026, 6, 1, 12, 30, 5, 500_000),
    "2026-06-01T12:30:05.123456789Z": datetime(2026, 6, 1, 12, 30, 5, 123_456),
    "2024-02-29T23:59:59.999999Z": datetime(2024, 2, 29, 23, 59, 59, 999_999),
}
BAD_DATETIMES = [
    "2026-06-01", "2026-02-29T12:30", "2026-06-01T24:00", "2026-06-01T12:60", "2026-06-01T12",
    "2026-06-01T12:30:60Z", "2026-06-01T12:30+25:00", "2026-06-01T12:30 Z", "12:30", "1780272000",
    "2026-06-01_12:30", "2026-06-01t12:30", "0000-01-01T12:30", "",
]  # fmt: skip
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))


@pytest.mark.parametrize("text", GOOD_DATES)
def test_a_date_is_a_number_of_days_and_back(text: str) -> None:
    number = number_of(parse_date(text))
    assert number == (date.fromisoformat(text) - date(1970, 1, 1)).days
    assert text_of(date_of("date", number)) == text


@pytest.mark.parametrize(("text", "moment"), GOOD_DATETIMES.items())
def test_a_datetime_is_a_number_of_seconds_in_utc(text: str, moment: datetime) -> None:
    number = number_of(parse_datetime(text))
    assert number == moment.replace(tzinfo=UTC).timestamp()
    assert date_of("datetime", number) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", BAD_DATES)
def test_a_text_that_is_no_date_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a date such as 2026-06-01$|a day of the calendar$"):
        parse_date(text)


@pytest.mark.parametrize("text", BAD_DATETIMES)
def test_a_text_that_is_no_datetime_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a datetime such as .*Z$|a day of the calendar$"):
        parse_datetime(text)


def test_a_moment_outside_the_calendar_in_utc_is_refused() -> None:
    with pytest.raises(ValueError, match="not a day of the calendar"):
        parse_datetime("0001-01-01T00:00:00+02:00")


@given(MOMENTS, st.integers(-1_439, 1_439))
def test_a_time_zone_changes_the_text_and_not_the_number(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert number_of(parse_datetime(there.isoformat())) == number_of(moment)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)))
def test_no_microsecond_is_lost(moment: datetime) -> None:
    assert date_of("datetime", number_of(moment)) == moment.replace(tzinfo=UTC)
    text = text_of(moment)
    assert text.endswith("Z")
    assert parse_datetime(text) == moment.replace(tzinfo=UTC)


def test_a_missing_date_is_nan_and_a_number_stays() -> None:
    assert math.isnan(number_of(None))
    assert number_of(20_000) == 20_000.0


def conformed(texts: Sequence[str | None], kind: str) -> list[object]:
    table = ibis.memtable(pa.table({"text": pa.array(texts, pa.string())}))
    values = table.select(value=conform_dates(table.text, kind)).to_pyarrow()["value"]
    return list(values.to_pylist())


def test_a_column_of_texts_has_the_same_dates_as_requests() -> None:
    dates = [date.fromisoformat(text) for text in GOOD_DATES]
    assert conformed(GOOD_DATES, "date") == dates
    # Midnight stands behind the dates of a table that had a timestamp column.
    bad = [text for text in BAD_DATES if not text.endswith("00:00:00Z")]
    assert conformed([*bad, None], "date") == [None] * (len(bad) + 1)
    midnight = ["2026-06-01 00:00:00", "2026-06-01T00:00", "2026-06-01 00:00:00.000"]
    assert conformed(midnight, "date") == [date(2026, 6, 1)] * 3


def test_a_column_of_texts_has_the_same_datetimes_as_requests() -> None:
    assert conformed(list(GOOD_DATETIMES), "datetime") == list(GOOD_DATETIMES.values())
    assert conformed([*BAD_DATETIMES, None], "datetime") == [None] * (len(BAD_DATETIMES) + 1)


@given(st.lists(st.text("0123456789-:.TZ+ ", max_size=26), min_size=1, max_size=20))
@settings(deadline=None, max_examples=30)
def test_no_text_stops_the_query(texts: list[str]) -> None:
    for kind, parse in (("date", parse_date), ("datetime", parse_datetime)):
        for text, value in zip(texts, conformed(list(texts), kind), strict=True):
            with contextlib.suppress(ValueError):
                assert parse(text) is not None
                assert value is not None


def test_a_timestamp_is_a_date_only_at_midnight() -> None:
    at = np.array(["2026-06-01T00:00", "2026-06-01T00:00:01", "NaT"], dtype="datetime64[ns]")
    table = ibis.memtable(pa.table({"at": at}))
    values = table.select(value=conform_dates(table["at"], "date")).to_pyarrow()["value"]
    assert values.to_pylist() == [date(2026, 6, 1), None, None]
