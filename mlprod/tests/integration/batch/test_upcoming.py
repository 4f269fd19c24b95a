"""The rows to come: what upcoming() may return, and that its errors are clear."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from forecasts import between, days, forecast

from mlprod.batch.selection import ScoringFunctions
from mlprod.batch.upcoming import select_upcoming
from mlprod.contract.schema import ContractError
from mlprod.records.database import now
from mlprod.training.sources import NoRowsError

SINCE, UNTIL = datetime(2027, 8, 24), datetime(2027, 8, 31)
TO_COME = days(900).drop_columns(["label"])


def with_upcoming(upcoming: Any) -> ScoringFunctions:
    return ScoringFunctions(
        forecast.terms, forecast.load, forecast.baseline, forecast.decide, upcoming=upcoming
    )


def giving(table: pa.Table) -> ScoringFunctions:
    """A project whose upcoming() gives this table, whatever the period."""
    return with_upcoming(lambda since, until: ibis.memtable(table))


def test_rows_of_the_period_are_selected() -> None:
    rows = select_upcoming(with_upcoming(between(TO_COME)), SINCE, UNTIL)
    assert rows.table.count().to_pyarrow().as_py() == 7
    assert rows.name == "upcoming-20270824T0000-20270831T0000"
    assert rows.source == "upcoming(), 2027-08-24 00:00:00 to 2027-08-31 00:00:00"
    day = select_upcoming(with_upcoming(between(TO_COME)), SINCE, None)
    assert day.name == "upcoming-2027-08-24"


def test_default_period_is_tomorrow() -> None:
    requested: list[datetime] = []

    def upcoming(since: datetime, until: datetime) -> Any:
        requested.extend((since, until))
        return ibis.memtable(TO_COME.slice(0, 0))

    with pytest.raises(NoRowsError, match=r"upcoming\(\) returned no rows from "):
        select_upcoming(with_upcoming(upcoming), None, None)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert requested == [today + timedelta(days=1), today + timedelta(days=2)]


def test_label_that_is_not_known_may_be_a_column() -> None:
    table = TO_COME.slice(600, 7).append_column("label", pa.nulls(7, pa.float64()))
    assert select_upcoming(giving(table), SINCE, UNTIL).table.count().to_pyarrow().as_py() == 7


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (TO_COME.slice(0, 0), r"returned no rows from 2027-08-24 00:00:00 to 2027-08-31"),
        (
            TO_COME.slice(599, 9),
            r"returned 2 rows outside of .*: at reaches from 2027-08-23 .* to 2027-08-31",
        ),
        (days(7, first=600), r"returned 7 rows with the label label, so they are not to come"),
        (TO_COME.drop_columns(["at"]), r"returned no column 'at', the EVENT_TIME"),
    ],
)
def test_rows_that_are_not_to_come_are_refused(table: pa.Table, error: str) -> None:
    with pytest.raises(NoRowsError, match=error):
        select_upcoming(giving(table), SINCE, UNTIL)


def test_row_without_time_is_outside_of_the_period() -> None:
    table = TO_COME.slice(600, 7)
    at = pa.array([None, *table["at"].to_pylist()[1:]], table["at"].type)
    without = table.set_column(table.column_names.index("at"), "at", at)
    with pytest.raises(NoRowsError, match="returned 1 row outside of"):
        select_upcoming(giving(without), SINCE, UNTIL)


def test_project_that_cannot_forecast_is_refused_with_the_remedy() -> None:
    with pytest.raises(NoRowsError, match=r"data.py has no upcoming\(\); works: def upcoming"):
        select_upcoming(with_upcoming(None), SINCE, UNTIL)
    timeless = replace(giving(TO_COME), terms=replace(forecast.terms, time=None))
    with pytest.raises(NoRowsError, match="the contract names no EVENT_TIME"):
        select_upcoming(timeless, SINCE, UNTIL)
    with pytest.raises(NoRowsError, match="is not before --until"):
        select_upcoming(giving(TO_COME), UNTIL, SINCE)
    with pytest.raises(ContractError, match=r"upcoming\(\) returned a list; it must"):
        select_upcoming(with_upcoming(lambda since, until: []), SINCE, UNTIL)
