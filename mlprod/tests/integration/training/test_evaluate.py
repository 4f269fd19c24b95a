from dataclasses import replace

import ibis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from seams import PARCELS, parcels
from sklearn import metrics

from mlprod.training.dataset import Dataset, collect
from mlprod.training.evaluate import Evaluation, evaluate
from mlprod.training.evaluation_metrics import BY_TASK

ROWS = collect(ibis.memtable(parcels(600)), PARCELS)
SCORES = ROWS.columns["stops"] / 50
MONEY = ROWS.columns["weight"] - 15
NONE = np.zeros(0)
LABELLED = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([0.0, 0.1, 0.5, 0.9]) | st.floats(0, 1),
        st.integers(1, 3),
    ),
    min_size=2,
    max_size=40,
).filter(lambda drawn: len({label for label, *_ in drawn}) == 2)


def evaluated(rows: Dataset = ROWS, money: NDArray[np.float64] = MONEY) -> Evaluation:
    return evaluate(PARCELS, "binary", rows, SCORES[: len(rows)], money)


@given(LABELLED)
@settings(deadline=None, max_examples=40)
def test_metrics_of_a_classifier_equal_scikit_learns(drawn: list[tuple[int, float, int]]) -> None:
    y, s, w = (np.array(values, dtype=np.float64) for values in zip(*drawn, strict=True))
    ours = {name: metric(y, s, NONE, w) for name, metric in BY_TASK["binary"].items()}
    assert ours["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, s, sample_weight=w))
    assert ours["average_precision"] == pytest.approx(
        metrics.average_precision_score(y, s, sample_weight=w)
    )
    assert ours["brier"] == pytest.approx(metrics.brier_score_loss(y, s, sample_weight=w))


@given(LABELLED)
@settings(deadline=None, max_examples=40)
def test_metrics_of_a_regression_equal_scikit_learns(drawn: list[tuple[int, float, int]]) -> None:
    y, s, w = (np.array(values, dtype=np.float64) for values in zip(*drawn, strict=True))
    ours = {name: metric(y, s, NONE, w) for name, metric in BY_TASK["regression"].items()}
    assert ours["mae"] == pytest.approx(metrics.mean_absolute_error(y, s, sample_weight=w))
    assert ours["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, s, sample_weight=w))
    assert ours["r2"] == pytest.approx(metrics.r2_score(y, s, sample_weight=w))


def test_only_scores_that_are_probabilities_are_calibrated() -> None:
    random, error = np.random.Generator(np.random.Philox(1)), BY_TASK["binary"]["calibration_error"]
    chance = random.random(20_000)
    y, w = (random.random(20_000) < chance).astype(np.float64), np.ones(20_000)
    assert error(y, chance, NONE, w) < 0.02
    assert error(y, chance**3, NONE, w) > 0.2


def test_interval_contains_its_figure() -> None:
    for figure in evaluated().figures.values():
        assert figure.low <= figure.value <= figure.high
        assert figure.low < figure.high


def test_value_is_the_mean_payoff_per_row() -> None:
    figure = evaluated().overall()["value"]
    assert figure.value == pytest.approx(MONEY.mean())
    assert figure.n == len(ROWS)


def test_interval_is_wider_for_rows_of_few_units() -> None:
    own = replace(ROWS, units=np.array([str(row) for row in range(len(ROWS))], dtype=object))
    few = replace(ROWS, units=np.where(MONEY > 0, "heavy", "light").astype(object))
    alone, together = (evaluated(rows).overall()["value"] for rows in (own, few))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_same_rows_give_the_same_figures() -> None:
    assert evaluated().figures == evaluated().figures


def test_difference_is_measured_on_the_same_replicates() -> None:
    difference = evaluated(money=MONEY + 2).difference(evaluated())["value", ""]
    assert (difference.value, difference.low, difference.high) == (2, 2, 2)


def test_model_does_not_differ_from_itself() -> None:
    assert {figure.value for figure in evaluated().difference(evaluated()).values()} == {0}


def test_each_slice_has_its_own_value() -> None:
    figures, bike = evaluated().figures, ROWS.columns["courier"] == "bike"
    parts = {part for _, part in figures}
    assert parts == {"", "courier=bike", "courier=van", "express=true", "express=false"}
    assert figures["value", "courier=bike"].value == pytest.approx(MONEY[bike].mean())
    assert figures["value", "courier=bike"].n == bike.sum()


def test_slice_with_few_rows_is_not_evaluated() -> None:
    fewer = ROWS.subset(np.arange(90))
    parts = {part for _, part in evaluated(fewer, MONEY[:90]).figures}
    assert parts < {"", "courier=bike", "courier=van", "express=true", "express=false"}
