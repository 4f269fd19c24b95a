"""A seam that forecasts: the loaves that a bakery sells on each day, a week ahead."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from seams import START, terms_of
from sklearn.ensemble import HistGradientBoostingRegressor

from mlprod.contract.schema import Columns, Contract, Fields
from mlprod.project.project import Load, Seam

DAY = np.timedelta64(86_400_000_000, "us")
DAYS = 600


class Day(Contract):
    """A day on which the bakery is open."""

    weekday: int = Field(ge=0, le=6, description="0 is Monday")
    sold_week_ago: float = Field(ge=0, le=1_000, description="Loaves sold 7 days before")


def days(rows: int = DAYS, first: int = 0) -> pa.Table:
    """The days from `first` on; the first day is 2026-01-01, a Thursday."""
    numbers = np.arange(first, first + rows)
    return pa.table(
        {
            "key": [f"d{number:05d}" for number in numbers],
            "at": START + numbers * DAY,
            "weekday": (numbers + 3) % 7,
            "sold_week_ago": _sold(numbers - 7),
            "label": _sold(numbers),
        }
    )


def _sold(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """The loaves of each day: a weekly rhythm and noise that only depends on the day."""
    noise = [np.random.Generator(np.random.Philox(10_000 + int(n))).normal(0, 20) for n in numbers]
    return np.asarray(200 + 30 * ((numbers + 3) % 7) + np.array(noise)).round(1)


def between(table: pa.Table) -> Load:
    """A load() that gives the rows of a table between two times."""

    def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
        result = ibis.memtable(table)
        result = result.filter(result["at"] >= ibis.literal(since)) if since else result
        return result.filter(result["at"] < ibis.literal(until)) if until else result

    return load


def as_last_week(columns: Columns) -> NDArray[np.float64]:
    return np.asarray(columns["sold_week_ago"], dtype=np.float64)


def waste(decision: float, outcome: float, row: Mapping[str, Any]) -> float:
    return -0.5 * abs(decision - outcome)


def boosted(fields: Fields) -> Any:
    return HistGradientBoostingRegressor(max_iter=30, random_state=0)


def bake(score: float, threshold: float) -> float:
    return round(score)


forecast = Seam(
    terms_of(Day, EVENT_TIME="at"),
    between(days()),
    boosted,
    "onnx",
    as_last_week,
    bake,
    waste,
    digest="of the forecast",
)
