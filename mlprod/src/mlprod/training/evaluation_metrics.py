"""Metrics of scores, by the names that gates.yaml uses."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..bundle.runtime import Scores
from ..contract.schema import Task
from . import class_metrics
from .class_metrics import Weights

Metric = Callable[[NDArray[np.float64], Scores, NDArray[np.float64], Weights], float]


def calibration_error(
    y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights
) -> float:
    """Compute the expected calibration error over ten bins of equal count.

    Equal scores are in one bin. Source: Naeini et al. 2015.
    """
    edges = np.unique(np.quantile(scores, np.arange(1, 10) / 10))
    gaps = np.bincount(np.searchsorted(edges, scores, side="left"), weights=w * (y - scores))
    return float(np.abs(gaps).sum() / w.sum())


def _value(y: NDArray[np.float64], scores: Scores, money: NDArray[np.float64], w: Weights) -> float:
    return float(np.average(money, weights=w))


def roc_auc(y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the area under the ROC curve; NaN if there is only one class.

    It is the probability that a positive scores above a negative; a tie counts half (Hanley and
    McNeil 1982). The result equals that of scikit-learn, which would repeat its input checks for
    every draw of the bootstrap.
    """
    hits, alarms = _curve(y, scores, w)
    # A draw of the bootstrap may hold only one class.
    if not hits[-1] or not alarms[-1]:
        return float("nan")
    before = np.concatenate([[0.0], hits[:-1]])
    return float(
        np.sum(np.diff(alarms, prepend=0.0) * (hits + before)) / 2 / (hits[-1] * alarms[-1])
    )


def average_precision(
    y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights
) -> float:
    """Compute the mean precision over the steps of recall, as scikit-learn defines it."""
    hits, alarms = _curve(y, scores, w)
    if not hits[-1]:
        return float("nan")
    gained = np.diff(hits, prepend=0.0)
    return float(np.sum(gained * hits / np.maximum(hits + alarms, 1e-12)) / hits[-1])


def _curve(
    y: NDArray[np.float64], scores: Scores, w: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of positives and of negatives at or above each distinct score.

    The order is from the highest score down.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    return np.cumsum((w * y)[order])[last], np.cumsum((w * (1 - y))[order])[last]


def r2(y: NDArray[np.float64], scores: Scores, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the share of explained variance."""
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
    # Their second argument has the figures of class_metrics.row_figures().
    "multiclass": {
        "log_loss": class_metrics.log_loss,
        "accuracy": class_metrics.accuracy,
        "macro_f1": class_metrics.macro_f1,
        "brier": class_metrics.brier,
        "calibration_error": lambda y, s, m, w: calibration_error(
            (s[:, class_metrics.TOP] == y).astype(np.float64), s[:, class_metrics.CONFIDENCE], m, w
        ),
    },
}
# Metrics of each class; the slice is the label and the class.
OF_CLASSES = ("precision", "recall")
# Metrics that a gate may use by slice.
SLICED = frozenset({"value", "single_field_power", *OF_CLASSES})
# Metrics that gates.yaml may name and other modules measure.
OTHERS = ("single_field_power", "parity_difference", "backtest_wins", "refit_difference")
NAMES = (
    frozenset(BOTH)
    | frozenset(name for table in BY_TASK.values() for name in table)
    | frozenset(OTHERS)
    | frozenset(OF_CLASSES)
)
