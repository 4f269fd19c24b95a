"""Fit of an estimator, and choice of the threshold with the largest payoff."""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..bundle.runtime import Scores
from ..contract.classes import Classes, Decide, decide_inputs, outcome_inputs, top_scores
from ..project.project import Seam
from .column_names import by_position
from .dataset import Dataset
from .export_checks import export_warnings, exported_labels, require_exportable

# Thresholds that are tried, evenly over the quantiles of the scores.
THRESHOLD_CANDIDATES = 100
# By how much the probabilities of a row may differ from 1 in sum; float32 has seven digits.
SUM_TOLERANCE = 1e-3


class InvalidScoresError(Exception):
    """baseline(), the model or payoff() did not return one finite number for each row."""


class FitError(Exception):
    """The estimator does not accept the rows, or its own settings."""


def fit(seam: Seam, rows: Dataset, say: Callable[[str], None] = lambda _: None) -> Any:
    """Fit the estimator of model.py.

    It uses one thread, so that the same rows give the same bytes. `say` prints what is known to
    make an export inexact. Raises UnsupportedStepError if a step has no export, ColumnNameError if
    the estimator names an unknown column, and FitError if it rejects the rows or its own settings.
    """
    estimator = by_position(seam.build_model(seam.inputs.fields), seam.inputs.fields.names)
    exported = seam.runtime == "onnx" and not seam.export
    if exported:
        require_exportable(estimator)
    inputs: Any = (
        seam.inputs.columns(rows.columns)
        if seam.runtime == "python"
        else seam.inputs.matrix(rows.columns)
    )
    if exported:
        numeric = seam.inputs.fields.numeric
        for warning in export_warnings(estimator, bool(np.isnan(inputs[:, numeric]).any())):
            say(f"export     WARNING: {warning}")
    try:
        with threadpool_limits(1):
            return estimator.fit(
                inputs, exported_labels(estimator, _labels(seam, rows), seam.task())
            )
    except (ValueError, TypeError) as error:
        raise FitError(
            _describe_failure(estimator, inputs, seam.inputs.fields.names, error)
        ) from error


def _labels(seam: Seam, rows: Dataset) -> NDArray[Any]:
    """Return what the estimator learns [rows]; positions in CLASSES are int64.

    Positions, and not the words, so that the columns of its probabilities are in the order of
    CLASSES.
    """
    return rows.y.astype(np.int64) if seam.terms.classes else rows.y


def _describe_failure(estimator: Any, inputs: Any, names: Sequence[str], error: Exception) -> str:
    """Describe what failed and where; for missing values also in which fields they are."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
    text = (
        f"{type(estimator).__name__} cannot learn from the rows: "
        f"{str(error).splitlines()[0][:300]} ({where})"
    )
    if isinstance(inputs, np.ndarray) and "NaN" in str(error):
        fields = [names[int(position)] for position in np.flatnonzero(np.isnan(inputs).any(axis=0))]
        text += (
            f". Missing values are in {', '.join(fields[:10])}. Put SimpleImputer() before "
            "the estimator, as in make_pipeline(SimpleImputer(), LogisticRegression()), or use "
            "HistGradientBoosting, which accepts them"
        )
    return text


def require_finite(values: Any, rows: int, whose: str) -> NDArray[np.float64]:
    """Return the values as float64 [rows].

    `whose` names their origin in the message. Raises InvalidScoresError if the shape is not
    [rows], or if a value is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (rows,):
        raise InvalidScoresError(
            f"{whose} returned an array of shape {array.shape} for {rows} rows; what works: "
            f"shape ({rows},)"
        )
    return _all_finite(array, whose)


def require_scores(values: Any, rows: int, whose: str, classes: Classes) -> Scores:
    """Return the scores as float64: [rows], or probabilities [rows, classes].

    `whose` names their origin in the message. Raises InvalidScoresError if the shape is another
    one, if a score is not finite, or if the probabilities of a row do not add up to 1.
    """
    if not classes:
        return require_finite(values, rows, whose)
    array, wanted = np.asarray(values, dtype=np.float64), (rows, len(classes))
    if array.shape != wanted:
        raise InvalidScoresError(
            f"{whose} returned an array of shape {array.shape} for {rows} rows and "
            f"{len(classes)} classes; what works: shape {wanted}, the columns in the order of "
            "CLASSES"
        )
    array = _all_finite(array, whose)
    sums = array.sum(axis=1)
    no_share = (array < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad := int(np.sum(no_share)):
        row = int(np.argmax(no_share))
        raise InvalidScoresError(
            f"{whose} returned no probabilities for {bad} of {rows} rows, for example "
            f"{np.round(array[row], 4).tolist()}; what works: numbers from 0 to 1 that add up to "
            "1, for example scores / scores.sum(axis=1, keepdims=True)"
        )
    return array


def _all_finite(array: NDArray[np.float64], whose: str) -> NDArray[np.float64]:
    rows, finite = len(array), np.isfinite(array)
    if bad := int(np.sum(~(finite if array.ndim == 1 else finite.all(axis=1)))):
        raise InvalidScoresError(
            f"{whose} returned no finite number for {bad} of {rows} rows that the contract "
            "allows; handle missing values (NaN, None) and unknown categories in it, for example "
            "with np.nan_to_num, or forbid them in contract.py"
        )
    return array


def payoffs(
    seam: Seam,
    rows: Dataset,
    scores: Scores,
    threshold: float,
    decide: Decide | None = None,
) -> NDArray[np.float64]:
    """Compute the payoff [rows] of the decisions that these scores lead to.

    `decide` is that of the candidate, by default the project's.
    """
    decide = decide or seam.decide
    classes = seam.terms.classes
    cases = zip(
        decide_inputs(classes, scores),
        outcome_inputs(classes, rows.y),
        rows.as_dicts(seam.terms.personal, seam.terms.fields),
        strict=True,
    )
    result = [
        _row_payoff(seam, decide(score, threshold), outcome, row) for score, outcome, row in cases
    ]
    return require_finite(result, len(rows), "payoff()")


def _row_payoff(seam: Seam, decision: Any, outcome: Any, row: dict[str, Any]) -> Any:
    """Call payoff() with a row as the records hold it, without PII.

    So the service can compute the same payoff from its records later. Raises InvalidScoresError if
    payoff() reads PII.
    """
    try:
        return seam.payoff(decision, outcome, row)
    except KeyError as error:
        if error.args[0] not in seam.terms.personal:
            raise
        raise InvalidScoresError(
            f"payoff() reads {error.args[0]!r}, which contract.py lists as PII. The records do "
            "not hold it, so the payoff of a decision could not be computed later. Remove it "
            "from payoff(), or from PII"
        ) from error


def choose_threshold(seam: Seam, rows: Dataset, scores: Scores) -> float:
    """Choose the threshold with the largest payoff on these rows; of equals the middle one.

    For classes it is a threshold of the largest probability. A regression has no threshold, so the
    result is 0.
    """
    if seam.task() == "regression":
        return 0.0
    compared = top_scores(scores)
    never = float(np.nextafter(compared.max(), np.inf))
    # Denser at both ends, because a rare event has its best threshold there.
    tail = np.logspace(-2, -np.log10(max(len(scores), 101)), THRESHOLD_CANDIDATES // 2)
    shares = np.concatenate([np.linspace(0, 1, THRESHOLD_CANDIDATES), tail, 1 - tail])
    candidates: list[float] = [*np.unique(np.quantile(compared, shares)).tolist(), never]
    total = payoff_by_threshold(seam, rows, scores)
    totals = require_finite(
        [total(threshold) for threshold in candidates], len(candidates), "payoff()"
    ).tolist()
    best = [
        threshold
        for threshold, payoff in zip(candidates, totals, strict=True)
        if payoff == max(totals)
    ]
    return best[len(best) // 2]


def payoff_by_threshold(seam: Seam, rows: Dataset, scores: Scores) -> Callable[[float], float]:
    """Return a function that computes the total payoff of all rows at a threshold.

    It calls payoff() once for each row and decision, so repeated calls are cheap.
    """
    classes, dicts = seam.terms.classes, rows.as_dicts(seam.terms.personal, seam.terms.fields)
    outcomes, listed = outcome_inputs(classes, rows.y), decide_inputs(classes, scores)
    # For each row the payoff of each decision so far.
    known: list[dict[Any, float]] = [{} for _ in listed]

    def total(threshold: float) -> float:
        result = 0.0
        for position, score in enumerate(listed):
            decision = seam.decide(score, threshold)
            if decision not in known[position]:
                payoff: Any = _row_payoff(seam, decision, outcomes[position], dicts[position])
                if not isinstance(payoff, float | int | np.number):
                    raise InvalidScoresError(
                        f"payoff({decision!r}, ...) returned {payoff!r}; it must return money, "
                        "a number"
                    )
                known[position][decision] = float(payoff)
            result += known[position][decision]
        return result

    return total
