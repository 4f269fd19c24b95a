"""The daily weather of Seattle from 2012 to 2015, which vega-datasets ships."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd

AHEAD = 7


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """The measured days."""
    table = _days()
    table = table.filter(table["temp_max"].notnull())
    table = table.filter(table["at"] >= since) if since else table
    return table.filter(table["at"] < until) if until else table


def upcoming(since: datetime, until: datetime) -> ir.Table:
    """The days to come, up to a week after the last measured one."""
    table = _days()
    return table.filter((table["at"] >= since) & (table["at"] < until)).drop("temp_max")


def _days() -> ir.Table:
    measured = pd.read_csv("data/seattle-weather.csv", parse_dates=["date"], index_col="date")
    last = measured.index[-1] + pd.Timedelta(days=AHEAD)
    days = measured.reindex(pd.date_range(measured.index[0], last))
    before = days.shift(AHEAD)
    frame = pd.DataFrame(
        {
            "day": days.index.strftime("seattle %Y-%m-%d"),
            "at": days.index,
            "temp_max": days["temp_max"],
            "day_of_year": days.index.dayofyear,
            "temp_max_7": before["temp_max"],
            "temp_min_7": before["temp_min"],
            "mean_28": before["temp_max"].rolling(28).mean(),
        }
    )
    return ibis.memtable(frame.dropna(subset=["mean_28"]))
