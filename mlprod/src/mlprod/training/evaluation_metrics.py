"""How good scores are, by metric; gates.yaml names them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..bundle.runtime import Scores
from ..contract.schema import Task

Weights = NDArray[np.float64]
Metric = Callable[[NDArray[np.float64], Scores, NDArray[np.float64], Weights], float]


def calibration_error(
    y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights
) -> float:
    """Expected calibration error over ten bins of equal count, equal scores together (Naeini et al.

    2015).
    """
    edges = np.unique(np.quantile(scores, np.arange(1, 10) / 10))
    gaps = np.bincount(np.searchsorted(edges, scores, side="left"), weights=w * (y - scores))
    return float(np.abs(gaps).sum() / w.sum())


def _value(y: NDArray[np.float64], scores: Scores, money: NDArray[np.float64], w: Weights) -> float:
    return float(np.average(money, weights=w))


def roc_auc(y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half (Hanley and
    McNeil 1982).

    Equal to scikit-learn's, whose input checks would be repeated for every draw of the bootstrap.
    """
    hits, alarms = _curve(y, scores, w)
    if not hits[-1] or not alarms[-1]:
        return float("nan")  # an unlucky draw of one class only
    before = np.concatenate([[0.0], hits[:-1]])
    return float(
        np.sum(np.diff(alarms, prepend=0.0) * (hits + before)) / 2 / (hits[-1] * alarms[-1])
    )


def average_precision(
    y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights
) -> float:
    """Mean precision over the steps of recall, as scikit-learn defines it."""
    hits, alarms = _curve(y, scores, w)
    if not hits[-1]:
        return float("nan")
    gained = np.diff(hits, prepend=0.0)
    return float(np.sum(gained * hits / np.maximum(hits + alarms, 1e-12)) / hits[-1])


def _curve(
    y: NDArray[np.float64], scores: Scores, w: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of the positives and of the negatives at or above each distinct score, from the
    highest score down.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    return np.cumsum((w * y)[order])[last], np.cumsum((w * (1 - y))[order])[last]


def r2(y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights) -> float:
    """Share of the variance explained."""
    spread = np.sum(w * (y - np.average(y, weights=w)) ** 2)
    return float(1 - np.sum(w * (y - scores) ** 2) / spread) if spread > 0 else 0.0


BOTH: dict[str, Metric] = {"value": _value}
BY_TASK: dict[Task, dict[str, Metric]] = {
    "binary": {
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "brier": lambda y, s, m, w: float(np.average((s - y) ** 2, weights=w)),
        "calibration_error": calibration_error,
    },
    "regression": {
        "mae": lambda y, s, m, w: float(np.average(np.abs(s - y), weights=w)),
        "rmse": lambda y, s, m, w: float(np.sqrt(np.average((s - y) ** 2, weights=w))),
        "r2": r2,
    },
}
SLICED = frozenset({"value", "single_field_power"})  # a gate may ask for these by slice
OTHERS = ("single_field_power", "parity_difference")  # measured elsewhere, known to gates.yaml
NAMES = (
    frozenset(BOTH)
    | frozenset(name for table in BY_TASK.values() for name in table)
    | frozenset(OTHERS)
)
