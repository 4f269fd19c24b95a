"""Metrics of the probabilities of classes.

They read the figures of each row, which are computed once. The bootstrap only changes the weights.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..bundle.runtime import Scores

# The smallest probability that enters a logarithm, as in scikit-learn.
MIN_PROBABILITY = float(np.finfo(np.float64).eps)
# Columns of the figures of a row.
TOP, CONFIDENCE, LOG_LOSS, SQUARED_ERROR = range(4)
Weights = NDArray[np.float64]
RowFigures = NDArray[np.float64]
"""Figures [rows, 4]: most probable class, its probability, log loss, squared error."""
ClassMetric = Callable[[NDArray[np.float64], RowFigures, NDArray[np.float64], Weights], float]


def row_figures(y: NDArray[np.float64], scores: Scores) -> RowFigures:
    """Compute the figures of each row; `y` [rows] are positions, `scores` are [rows, classes]."""
    own = scores[np.arange(len(y)), y.astype(np.intp)]
    result = np.empty((len(y), 4))
    result[:, TOP] = scores.argmax(axis=1)
    result[:, CONFIDENCE] = scores.max(axis=1)
    result[:, LOG_LOSS] = -np.log(np.clip(own, MIN_PROBABILITY, 1))
    result[:, SQUARED_ERROR] = squared_errors(y, scores)
    return result


def squared_errors(y: NDArray[np.float64], scores: Scores) -> NDArray[np.float64]:
    """Compute the squared error of each row [rows].

    For classes it is half the sum over the classes of (probability - 1 or 0) squared, so that it is
    at most 1, and for two classes that of one of them (Brier 1950). Its mean is the Brier score.
    """
    if scores.ndim == 1:
        return np.asarray((scores - y) ** 2)
    own = scores[np.arange(len(y)), y.astype(np.intp)]
    return np.asarray(((scores**2).sum(axis=1) - 2 * own + 1) / 2)


def log_loss(y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the mean of -log(probability of the class that occurred)."""
    return float(np.average(rows[:, LOG_LOSS], weights=w))


def accuracy(y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the share of rows whose most probable class occurred."""
    return float(np.average(rows[:, TOP] == y, weights=w))


def brier(y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the mean of `squared_errors`."""
    return float(np.average(rows[:, SQUARED_ERROR], weights=w))


def macro_f1(y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights) -> float:
    """Compute the mean of the F1 scores of the classes that occur or are predicted."""
    hits, occurred, predicted = _counts(y, rows, w)
    total = occurred + predicted
    return float(np.mean(2 * hits[total > 0] / total[total > 0]))


def precision_of(position: int) -> ClassMetric:
    """Return the metric: the share of the rows predicted as this class in which it occurred.

    It is 0 if the class is never predicted, as in scikit-learn.
    """

    def precision(
        y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights
    ) -> float:
        predicted = w * (rows[:, TOP] == position)
        return float(predicted[y == position].sum() / (predicted.sum() or 1.0))

    return precision


def recall_of(position: int) -> ClassMetric:
    """Return the metric: the share of the rows of this class that are predicted as it.

    It is NaN without a row of the class, as in some draws of the bootstrap.
    """

    def recall(
        y: NDArray[np.float64], rows: RowFigures, _: NDArray[np.float64], w: Weights
    ) -> float:
        occurred = w * (y == position)
        if not occurred.any():
            return float("nan")
        return float(occurred[rows[:, TOP] == position].sum() / occurred.sum())

    return recall


def confusion(y: NDArray[np.float64], scores: Scores) -> NDArray[np.int64]:
    """Count the rows [class that occurred, most probable class]."""
    classes = scores.shape[1]
    pairs = y.astype(np.intp) * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def _counts(
    y: NDArray[np.float64], rows: RowFigures, w: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each class the weights of its hits, its rows, and its predictions."""
    occurred, predicted = y.astype(np.intp), rows[:, TOP].astype(np.intp)
    classes = int(max(occurred.max(), predicted.max())) + 1

    def total(positions: NDArray[np.intp], weights: Weights) -> Weights:
        return np.bincount(positions, weights=weights, minlength=classes).astype(np.float64)

    hits = total(occurred, w * (occurred == predicted))
    return hits, total(occurred, w), total(predicted, w)
