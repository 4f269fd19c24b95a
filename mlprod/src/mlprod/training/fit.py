"""Fit, and choose the threshold that is worth most."""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..bundle.runtime import Scores
from ..contract.encoding import encode
from ..project.project import Seam
from .dataset import Dataset

CANDIDATES = 100  # thresholds that are tried


class InvalidScoresError(Exception):
    """baseline(), the model or payoff() gave something that is no finite number for each row."""


class FitError(Exception):
    """The estimator does not accept the rows, or its own settings."""


def fit(seam: Seam, rows: Dataset) -> Any:
    """The fitted estimator.

    One thread, so that the same rows give the same bytes. Raises FitError.
    """
    estimator = seam.build_model(seam.terms.fields)
    given: Any = (
        rows.columns if seam.runtime == "python" else encode(seam.terms.fields, rows.columns)
    )
    try:
        with threadpool_limits(1):
            return estimator.fit(given, rows.y)
    except (ValueError, TypeError) as error:
        raise FitError(_why_not(estimator, given, seam.terms.fields.names, error)) from error


def _why_not(estimator: Any, given: Any, names: Sequence[str], error: Exception) -> str:
    """What failed, where, and for missing values in which fields."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
    text = (
        f"{type(estimator).__name__} cannot learn from the rows: "
        f"{str(error).splitlines()[0][:300]} ({where})"
    )
    if isinstance(given, np.ndarray) and "NaN" in str(error):
        fields = [names[int(position)] for position in np.flatnonzero(np.isnan(given).any(axis=0))]
        text += (
            f". Missing values are in {', '.join(fields[:10])}. Put SimpleImputer() before "
            f"the estimator, as in "
            "make_pipeline(SimpleImputer(), LogisticRegression()), or use "
            "HistGradientBoosting, which takes them"
        )
    return text


def require_finite(values: Any, rows: int, whose: str) -> NDArray[np.float64]:
    """The values as float64 [rows].

    Raises InvalidScoresError when there are more, fewer, or some that are not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (rows,):
        raise InvalidScoresError(
            f"{whose} gave an array of shape {array.shape} for {rows} rows; what works: "
            f"shape ({rows},)"
        )
    if bad := int(np.sum(~np.isfinite(array))):
        raise InvalidScoresError(
            f"{whose} gave no finite number for {bad} of {rows} rows that the contract "
            f"allows; treat missing values "
            "(NaN, None) and unknown words in it, for example by np.nan_to_num, or forbid "
            "them in the contract"
        )
    return array


def payoffs(seam: Seam, rows: Dataset, scores: Scores, threshold: float) -> NDArray[np.float64]:
    """Payoff [rows] of deciding with these scores."""
    decided = zip(scores.tolist(), rows.y.tolist(), rows.as_dicts(seam.terms.personal), strict=True)
    worth = [
        _paid(seam, seam.decide(score, threshold), outcome, row) for score, outcome, row in decided
    ]
    return require_finite(worth, len(rows), "payoff()")


def _paid(seam: Seam, decision: Any, outcome: float, row: dict[str, Any]) -> Any:
    """What payoff() gives for a row as the records hold it, so that what is paid in service can be
    computed there.
    """
    try:
        return seam.payoff(decision, outcome, row)
    except KeyError as error:
        if error.args[0] not in seam.terms.personal:
            raise
        raise InvalidScoresError(
            f"payoff() reads {error.args[0]!r}, which contract.py lists as PII: it is not "
            f"kept, so nobody "
            "could say later what a decision was worth. Take it out of payoff(), or out of PII"
        ) from error


def choose_threshold(seam: Seam, rows: Dataset, scores: Scores) -> float:
    """The threshold with the largest payoff on these rows, the middle one of equals.

    A regression has none: 0.
    """
    if seam.task() == "regression":
        return 0.0
    never = float(np.nextafter(scores.max(), np.inf))
    tail = np.logspace(
        -2, -np.log10(max(len(scores), 101)), CANDIDATES // 2
    )  # rare events live at the ends
    shares = np.concatenate([np.linspace(0, 1, CANDIDATES), tail, 1 - tail])
    candidates: list[float] = [*np.unique(np.quantile(scores, shares)).tolist(), never]
    total = payoff_by_threshold(seam, rows, scores)
    totals = require_finite(
        [total(threshold) for threshold in candidates], len(candidates), "payoff()"
    ).tolist()
    best = [
        threshold
        for threshold, worth in zip(candidates, totals, strict=True)
        if worth == max(totals)
    ]
    return best[len(best) // 2]


def payoff_by_threshold(seam: Seam, rows: Dataset, scores: Scores) -> Callable[[float], float]:
    """The payoff of all rows together, as a function of the threshold; cheap to ask again and
    again.
    """
    dicts, outcomes, listed = rows.as_dicts(seam.terms.personal), rows.y.tolist(), scores.tolist()
    known: list[dict[Any, float]] = [
        {} for _ in listed
    ]  # a decision's payoff is asked once for each row

    def total(threshold: float) -> float:
        worth = 0.0
        for position, score in enumerate(listed):
            decision = seam.decide(score, threshold)
            if decision not in known[position]:
                paid: Any = _paid(seam, decision, outcomes[position], dicts[position])
                if not isinstance(paid, float | int | np.number):
                    raise InvalidScoresError(
                        f"payoff({decision!r}, ...) gave {paid!r}; it must give money, a number"
                    )
                known[position][decision] = float(paid)
            worth += known[position][decision]
        return worth

    return total
