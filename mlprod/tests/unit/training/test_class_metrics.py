"""The metrics of classes equal those of scikit-learn, on random rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss

from mlprod.records.class_figures import compute_class_figures
from mlprod.training.class_metrics import (
    accuracy,
    brier,
    confusion,
    log_loss,
    macro_f1,
    precision_of,
    recall_of,
    row_figures,
    squared_errors,
)
from mlprod.training.evaluation_metrics import BY_TASK

Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@st.composite
def arrays(draw: st.DrawFn) -> Arrays:
    """Labels in which each class occurs, probabilities and weights; some probabilities are 0."""
    random = np.random.Generator(np.random.Philox(draw(st.integers(0, 2**32))))
    classes, rows = draw(st.integers(3, 50)), draw(st.integers(60, 200))
    y = random.permutation(np.arange(rows) % classes).astype(np.float64)
    shares = random.dirichlet(np.full(classes, draw(st.sampled_from([0.05, 0.5, 5.0]))), rows)
    shares[random.random(shares.shape) < 0.2] = 0
    shares[:, 0] = np.clip(1 - shares[:, 1:].sum(axis=1), 0, 1)
    return y, shares, random.integers(1, 5, rows).astype(np.float64)


@settings(deadline=None)
@given(arrays())
def test_metrics_equal_those_of_scikit_learn(given_arrays: Arrays) -> None:
    y, shares, w = given_arrays
    rows, top, places = row_figures(y, shares), shares.argmax(axis=1), range(shares.shape[1])
    weighted = {"sample_weight": w}
    assert accuracy(y, rows, w, w) == pytest.approx(accuracy_score(y, top, **weighted))
    assert log_loss(y, rows, w, w) == pytest.approx(
        sklearn_log_loss(y, shares, labels=list(places), **weighted), rel=1e-6
    )
    averaged = {"average": "macro", "zero_division": 0, **weighted}
    assert macro_f1(y, rows, w, w) == pytest.approx(f1_score(y, top, **averaged))
    by_class = {"average": None, "labels": list(places), "zero_division": 0, **weighted}
    precision, recall = precision_score(y, top, **by_class), recall_score(y, top, **by_class)
    for place in places:
        assert precision_of(place)(y, rows, w, w) == pytest.approx(precision[place])
        assert recall_of(place)(y, rows, w, w) == pytest.approx(recall[place])
    assert (confusion(y, shares) == confusion_matrix(y, top, labels=list(places))).all()
    one_hot = np.eye(shares.shape[1])[y.astype(int)]
    half_brier = np.average(((shares - one_hot) ** 2).sum(axis=1) / 2, weights=w)
    assert brier(y, rows, w, w) == pytest.approx(half_brier)


@settings(deadline=None)
@given(arrays())
def test_figures_of_records_equal_those_of_training(given_arrays: Arrays) -> None:
    y, shares, _ = given_arrays
    rows = row_figures(y, shares)
    for place in range(5):
        scores = {f"class {position}": share for position, share in enumerate(shares[place])}
        figures = compute_class_figures(
            scores, "class 0", f"class {y[place]:g}", {}, lambda *_: 1.0, {}
        )
        assert figures.score == rows[place, 1]
        assert figures.outcome == (rows[place, 0] == y[place])
        assert figures.log_loss == pytest.approx(rows[place, 2])
        assert figures.squared_error == pytest.approx(rows[place, 3])


def test_the_squared_error_of_two_classes_is_that_of_one_probability() -> None:
    p, y = np.array([0.1, 0.6, 1.0]), np.array([0.0, 1.0, 0.0])
    both = np.stack([1 - p, p], axis=1)
    assert squared_errors(y, both) == pytest.approx(squared_errors(y, p))


def test_the_calibration_error_is_that_of_the_most_probable_class() -> None:
    shares = np.tile([0.7, 0.2, 0.1], (1_000, 1))
    y = np.repeat([0.0, 1.0], [500, 500])
    error = BY_TASK["multiclass"]["calibration_error"]
    assert error(y, row_figures(y, shares), y, np.ones(1_000)) == pytest.approx(0.2)


def test_a_class_that_is_never_predicted_has_no_precision_and_no_recall() -> None:
    y, shares = np.array([0.0, 1.0, 2.0]), np.tile([0.9, 0.1, 0.0], (3, 1))
    rows, w = row_figures(y, shares), np.ones(3)
    assert precision_of(2)(y, rows, w, w) == 0
    assert recall_of(2)(y, rows, w, w) == 0
    assert np.isnan(recall_of(2)(y, rows, w, np.array([1.0, 1.0, 0.0])))
