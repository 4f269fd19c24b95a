"""What a model loses with age: models that learnt from ever older windows of equal length, on the
same newest rows.
"""

from dataclasses import dataclass

import numpy as np

from ..bundle.manifest import Estimate
from ..project.project import Seam
from .dataset import Dataset
from .evaluate import WHOLE, Evaluation, evaluate
from .export import predict
from .fit import choose_threshold, fit, payoffs, require_finite
from .split import split
from .split_errors import SMALLEST

WINDOW = 0.5  # of the time that there is to learn from
AGES = (0.0, 0.25, 0.5)  # how much older, in the same measure


class NoTimeColumnError(Exception):
    """The contract names no EVENT_TIME, or the rows span too little of it."""


@dataclass(frozen=True)
class AgedModelResult:
    """A model that is older by `days`: money a row that it earns less than the youngest, and its
    rows of learning.
    """

    days: float
    loss: Estimate
    rows: int


def staleness(seam: Seam, rows: Dataset) -> list[AgedModelResult]:
    """The youngest first. Raises NoTimeColumnError, and SplitError as a training does."""
    if rows.at is None:
        raise NoTimeColumnError(
            "contract.py names no EVENT_TIME, so no model is older than another"
        )
    parts = split(rows, seam.task(), seam.terms)
    learn, test = rows.take(parts.train), rows.take(parts.test)
    at = learn.at if learn.at is not None else rows.at
    span, result, youngest = at.max() - at.min(), [], None
    for age in AGES:
        until = at.max() - span * age
        window = np.flatnonzero((at > until - span * WINDOW) & (at <= until))
        if len(window) < SMALLEST or len(np.unique(learn.y[window])) < 2:
            raise NoTimeColumnError(
                f"{len(window)} rows of {seam.terms.label} in a window are too few to "
                f"learn from; load more"
            )
        measured = _measured(seam, learn.take(window), rows.take(parts.validation), test)
        youngest = youngest or measured
        loss = youngest.difference(measured)["value", WHOLE]
        result.append(
            AgedModelResult(float(span / np.timedelta64(1, "D")) * age, loss, len(window))
        )
    return result


def _measured(seam: Seam, learn: Dataset, validation: Dataset, test: Dataset) -> Evaluation:
    estimator = fit(seam, learn)
    threshold = choose_threshold(seam, validation, predict(seam, estimator, validation.columns))
    scores = require_finite(predict(seam, estimator, test.columns), len(test), "the model")
    return evaluate(seam.terms, seam.task(), test, scores, payoffs(seam, test, scores, threshold))
