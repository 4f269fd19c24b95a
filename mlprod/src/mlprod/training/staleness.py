"""Staleness: how much payoff a model loses with age.

Models learn from older and older windows of equal length, and are tested on the same newest rows.
"""

from dataclasses import dataclass

import numpy as np

from ..bundle.manifest import Estimate
from ..project.project import Seam
from .dataset import Dataset
from .evaluate import OVERALL, Evaluation, evaluate
from .export import predict
from .fit import choose_threshold, fit, payoffs, require_scores
from .split import split
from .split_errors import MIN_PART_ROWS

# Length of a window, as a share of the training period.
WINDOW_SHARE = 0.5
# Ages of the models, as shares of the training period.
AGE_SHARES = (0.0, 0.25, 0.5)


class NoTimeColumnError(Exception):
    """The contract names no EVENT_TIME, or a window of it has too few rows."""


@dataclass(frozen=True)
class AgedModelResult:
    """Result of a model that is `days` older than the youngest.

    `loss` is the payoff per row that it loses against the youngest, in money. `rows` is its number
    of training rows.
    """

    days: float
    loss: Estimate
    rows: int


def staleness(seam: Seam, rows: Dataset) -> list[AgedModelResult]:
    """Measure the loss of older models, the youngest first.

    Raises NoTimeColumnError, and SplitError as a training does.
    """
    if rows.at is None:
        raise NoTimeColumnError(
            "contract.py names no EVENT_TIME, so no model is older than another; name the column "
            "with the time of each row"
        )
    parts = split(rows, seam.task(), seam.terms)
    learn, test = rows.subset(parts.train), rows.subset(parts.test)
    at = learn.at if learn.at is not None else rows.at
    span, result, youngest = at.max() - at.min(), [], None
    for age in AGE_SHARES:
        until = at.max() - span * age
        window = np.flatnonzero((at > until - span * WINDOW_SHARE) & (at <= until))
        distinct = len(np.unique(learn.y[window]))
        if len(window) < MIN_PART_ROWS or distinct < max(2, len(seam.terms.classes)):
            raise NoTimeColumnError(
                f"a window has {len(window)} rows with {seam.terms.label}, which are too few to "
                f"learn from; load more rows"
            )
        measured = _measured(seam, learn.subset(window), rows.subset(parts.validation), test)
        youngest = youngest or measured
        loss = youngest.difference(measured)["value", OVERALL]
        result.append(
            AgedModelResult(float(span / np.timedelta64(1, "D")) * age, loss, len(window))
        )
    return result


def _measured(seam: Seam, learn: Dataset, validation: Dataset, test: Dataset) -> Evaluation:
    estimator = fit(seam, learn)
    threshold = choose_threshold(seam, validation, predict(seam, estimator, validation.columns))
    predicted = predict(seam, estimator, test.columns)
    scores = require_scores(predicted, len(test), "the model", seam.terms.classes)
    return evaluate(seam.terms, seam.task(), test, scores, payoffs(seam, test, scores, threshold))
