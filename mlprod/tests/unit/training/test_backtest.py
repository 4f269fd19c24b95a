"""Back-test of a forecast over several origins."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from forecasts import forecast
from seams import binary, regression
from sklearn.dummy import DummyRegressor

from mlprod.bundle.manifest import BacktestWindow
from mlprod.training.backtest import backtest, backtest_warning, is_forecast, share_of_wins
from mlprod.training.dataset import load_rows

ROWS = load_rows(forecast)[1]


def test_windows_follow_each_other_and_cover_the_later_half() -> None:
    windows = list(backtest(forecast, ROWS))
    assert [window.rows for window in windows] == [60] * 5
    assert [window.learned for window in windows] == [300, 360, 420, 480, 540]
    assert ROWS.at is not None
    assert windows[-1].until == str(ROWS.at.max())
    ends = [window.until for window in windows]
    assert all(end < window.since for end, window in zip(ends, windows[1:], strict=False))


def test_model_of_a_window_learns_from_earlier_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[int] = []
    fit = DummyRegressor.fit

    def record(estimator: Any, matrix: Any, y: Any) -> Any:
        learned.append(len(y))
        return fit(estimator, matrix, y)

    monkeypatch.setattr(DummyRegressor, "fit", record)
    # With an export of its own the project answers for the converter.
    seam = replace(
        forecast, build_model=lambda fields: DummyRegressor(), export=lambda estimator: b""
    )
    windows = list(backtest(seam, ROWS))
    assert learned == [window.learned for window in windows]
    first = ROWS.subset(np.arange(300))
    error = np.abs(ROWS.y[300:360] - first.y.mean()).mean()
    assert windows[0].mae == pytest.approx(error)
    assert windows[0].baseline_mae == pytest.approx(
        np.abs(ROWS.y[300:360] - ROWS.columns["sold_week_ago"][300:360]).mean()
    )


def test_rows_of_one_time_are_in_one_window() -> None:
    assert ROWS.at is not None
    monthly = replace(ROWS, at=ROWS.at.astype("datetime64[M]").astype("datetime64[us]"))
    windows = list(backtest(forecast, monthly))
    assert len(windows) == 5
    assert sum(window.rows for window in windows) + windows[0].learned == len(ROWS)
    assert len({window.since for window in windows}) == 5
    assert all(window.until < later.since for window, later in pairwise(windows))


def test_with_group_no_group_is_learned_and_tested() -> None:
    stores = np.array([f"s{row % 40}" for row in range(len(ROWS))], dtype=object)
    seam = replace(forecast, terms=replace(forecast.terms, unit="store"))
    windows = list(backtest(seam, replace(ROWS, units=stores)))
    assert windows
    for window, plain in zip(windows, backtest(forecast, ROWS), strict=False):
        assert window.learned < plain.learned
        assert window.rows >= 30


@pytest.mark.parametrize(("rows", "windows"), [(100, 0), (119, 0), (120, 2), (200, 3), (600, 5)])
def test_windows_are_fewer_if_they_would_be_small(rows: int, windows: int) -> None:
    assert len(list(backtest(forecast, ROWS.subset(np.arange(rows))))) == windows


def test_only_a_regression_with_time_is_a_forecast() -> None:
    assert [is_forecast(seam) for seam in (forecast, regression, binary)] == [True, False, False]


def window(value: float) -> BacktestWindow:
    return BacktestWindow(
        since="2026-01-01T00:00:00",
        until="2026-02-01T00:00:00",
        learned=100,
        rows=30,
        value=value,
        baseline_value=0.0,
        mae=1,
        baseline_mae=1,
        rmse=1,
        baseline_rmse=1,
    )


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ([1, 1, -1, -1, -1], ""),
        ([1, -1, -1, -1, -1], "of 5 windows .* baseline only in the one from 2026-01-01"),
        ([-1, 0], "of 2 windows .* baseline in none"),
        ([], ""),
    ],
)
def test_gain_in_one_window_only_is_a_warning(values: list[float], warning: str) -> None:
    result = backtest_warning([window(value) for value in values])
    assert bool(result) == bool(warning)
    assert re.match(warning, result)


def test_share_of_wins_counts_windows_above_the_baseline() -> None:
    assert share_of_wins([window(1), window(0), window(-1), window(2)]) == 0.5


def test_many_rows_are_learned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlprod.training.backtest.MAX_LEARNED_ROWS", 100)
    assert [window.learned for window in backtest(forecast, ROWS)] == [100, 90, 84, 96, 90]
