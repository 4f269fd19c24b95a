"""Back-test of a forecast: a model of the same kind learns and is tested at several origins."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import BacktestWindow
from ..bundle.runtime import Scores
from ..display.counting import count_of
from ..project.project import Seam
from .dataset import Dataset
from .export import predict
from .fit import fit, payoffs, require_finite
from .split import TRAIN_SHARE, hash_shares
from .split_errors import MIN_PART_ROWS

# The number of origins is the default of scikit-learn's TimeSeriesSplit.
MAX_ORIGINS = 5
# The first model learns from this share of the rows, by time, so that it is like the evaluated one.
FIRST_SHARE = 0.5
# A model of the back-test learns from at most this number of rows, evenly over its period.
MAX_LEARNED_ROWS = 100_000
# Each window has at least MIN_PART_ROWS rows, and a back-test two windows in the later half.
NO_BACKTEST = (
    "there is no back-test: it needs a regression with EVENT_TIME, and "
    f"{round(2 * MIN_PART_ROWS / (1 - FIRST_SHARE))} labeled rows"
)


def is_forecast(seam: Seam) -> bool:
    """Return whether the project forecasts: a regression with EVENT_TIME."""
    return seam.task() == "regression" and seam.terms.time is not None


def run_backtest(seam: Seam, rows: Dataset, say: Callable[[str], None]) -> list[BacktestWindow]:
    """Back-test a forecast, and report each window with `say`; another project has no window."""
    if not is_forecast(seam):
        return []
    result = []
    for window in backtest(seam, rows):
        say(f"backtest   {describe_window(window)}")
        result.append(window)
    if not result:
        say(f"backtest   none: {NO_BACKTEST}")
    if warning := backtest_warning(result):
        say(f"backtest   WARNING: {warning}")
    return result


def backtest(seam: Seam, rows: Dataset) -> Iterator[BacktestWindow]:
    """Fit the estimator before each of several origins, and test it on the window after it.

    It is a rolling-origin evaluation with a growing training period (Tashman 2000). The windows
    follow each other and cover the later half of the rows in equal parts: five windows, or fewer so
    that each has MIN_PART_ROWS rows. Rows of one time are in one window. With GROUP the model
    learns from the groups of the training part only, and is tested on the others. There is no
    window if two of them would have too few rows.

    `rows` are ordered by time.
    """
    if rows.at is None:
        return
    learnable = testable = np.ones(len(rows), dtype=bool)
    if seam.terms.unit:
        learnable = hash_shares(rows.units) < TRAIN_SHARE
        testable = ~learnable
    first = math.ceil(len(rows) * FIRST_SHARE)
    count = min(MAX_ORIGINS, int(np.sum(testable[first:])) // MIN_PART_ROWS)
    if count < 2:
        return
    origins = rows.at[first + np.arange(count) * (len(rows) - first) // count]
    for number, origin in enumerate(origins):
        before, inside = rows.at < origin, rows.at >= origin
        if number < count - 1:
            inside &= rows.at < origins[number + 1]
        learned = np.flatnonzero(before & learnable)
        tested = np.flatnonzero(inside & testable)
        if min(len(learned), len(tested)) >= MIN_PART_ROWS:
            step = len(learned) // (MAX_LEARNED_ROWS + 1) + 1
            learn, test = rows.subset(learned[::step]), rows.subset(tested)
            yield _measured(seam, learn, test, rows.at[tested])


def share_of_wins(windows: Sequence[BacktestWindow]) -> float:
    """Return the share of windows in which the model is worth more than the baseline."""
    return sum(window.beats_baseline for window in windows) / len(windows)


def describe_window(window: BacktestWindow) -> str:
    """Describe a window in one line: its days and the figures, those of the baseline in brackets.

    A window starts when the one before it ends, so the first day names it.
    """
    return (
        f"from {window.since[:16].replace('T', ' ')}, {count_of(window.rows, 'row')}: "
        f"payoff per row {window.value:.4g} (baseline {window.baseline_value:.4g}), "
        f"mae {window.mae:.4g} ({window.baseline_mae:.4g}), "
        f"rmse {window.rmse:.4g} ({window.baseline_rmse:.4g})"
    )


def backtest_warning(windows: Sequence[BacktestWindow]) -> str:
    """Return a warning if the model beats the baseline in one window at most; else empty."""
    wins = [window for window in windows if window.beats_baseline]
    if not windows or len(wins) > 1:
        return ""
    where = f"only in the one from {wins[0].since[:10]}" if wins else "in none"
    return (
        f"of {len(windows)} windows the model is worth more than the baseline {where}; so the gain "
        "in the test may come from one period"
    )


def _measured(
    seam: Seam, learn: Dataset, test: Dataset, at: NDArray[np.datetime64]
) -> BacktestWindow:
    estimator = fit(seam, learn)
    scores = require_finite(predict(seam, estimator, test.columns), len(test), "the model")
    value, mae, rmse = _figures(seam, test, scores)
    theirs = require_finite(seam.baseline(test.columns), len(test), "baseline()")
    baseline_value, baseline_mae, baseline_rmse = _figures(seam, test, theirs)
    return BacktestWindow(
        since=str(at.min()),
        until=str(at.max()),
        learned=len(learn),
        rows=len(test),
        value=value,
        baseline_value=baseline_value,
        mae=mae,
        baseline_mae=baseline_mae,
        rmse=rmse,
        baseline_rmse=baseline_rmse,
    )


def _figures(seam: Seam, test: Dataset, scores: Scores) -> tuple[float, float, float]:
    """Return value, MAE and RMSE of scores, with the digits of an evaluation."""
    errors = scores - test.y
    figures = (
        payoffs(seam, test, scores, 0.0).mean(),
        np.abs(errors).mean(),
        np.sqrt((errors**2).mean()),
    )
    value, mae, rmse = (round(float(figure), 9) for figure in figures)
    return value, mae, rmse
