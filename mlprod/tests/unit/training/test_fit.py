from dataclasses import replace

import ibis
import numpy as np
import pytest
from seams import PARCELS, binary, parcels, regression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mlprod.training.dataset import collect
from mlprod.training.fit import FitError, InvalidScoresError, choose_threshold, fit, payoffs

ROWS = collect(ibis.memtable(parcels(400)), PARCELS)


def test_the_threshold_is_the_one_that_is_worth_most() -> None:
    scores = ROWS.columns["stops"] / 50
    chosen = choose_threshold(binary, ROWS, scores)
    worth = payoffs(binary, ROWS, scores, chosen).sum()
    assert all(
        worth >= payoffs(binary, ROWS, scores, other).sum() for other in np.linspace(0, 1.1, 12)
    )
    assert 0.1 < chosen < 0.9


def test_when_doing_nothing_is_worth_most_nothing_is_done() -> None:
    harmless = replace(
        binary, payoff=lambda decision, outcome, row: -1.0 if decision == "call" else 0.0
    )
    scores = ROWS.columns["stops"] / 50
    assert choose_threshold(harmless, ROWS, scores) > scores.max()


def test_a_regression_has_no_threshold() -> None:
    assert choose_threshold(regression, ROWS, ROWS.y) == 0


def test_a_payoff_is_asked_for_each_row() -> None:
    paid = payoffs(binary, ROWS, np.ones(len(ROWS)), 0.5)
    np.testing.assert_array_equal(paid, -1)


def test_a_model_of_runtime_python_learns_from_raw_columns() -> None:
    class Curious:
        def fit(self, columns: dict[str, object], y: object) -> list[str]:
            return list(columns)

    seam = replace(binary, runtime="python", build_model=lambda fields: Curious())
    assert fit(seam, ROWS) == list(PARCELS.fields.names)


def test_a_payoff_that_reads_what_is_not_kept_is_refused() -> None:
    """Or nobody could compute from the records what the decisions were worth."""
    curious = replace(binary, payoff=lambda decision, outcome, row: -float(row["distance"] or 0))
    with pytest.raises(InvalidScoresError, match=r"payoff\(\) reads 'distance', .* PII"):
        choose_threshold(curious, ROWS, ROWS.columns["stops"] / 50)
    with pytest.raises(InvalidScoresError, match="'distance'"):
        payoffs(curious, ROWS, np.ones(len(ROWS)), 0.5)
    errors = replace(binary, payoff=lambda decision, outcome, row: row["no such field"])
    with pytest.raises(KeyError, match="no such field"):
        payoffs(errors, ROWS, np.ones(len(ROWS)), 0.5)


def test_missing_values_that_an_estimator_does_not_take_are_named_with_their_fields() -> None:
    with pytest.raises(
        FitError, match="LogisticRegression cannot learn from the rows: Input X contains NaN"
    ) as failed:
        fit(replace(binary, build_model=lambda fields: LogisticRegression()), ROWS)
    assert "Missing values are in distance. Put SimpleImputer()" in str(failed.value)


def test_a_setting_that_does_not_exist_is_named() -> None:
    seam = replace(
        binary, build_model=lambda fields: HistGradientBoostingClassifier(max_iter="many")
    )
    with pytest.raises(
        FitError, match=r"'max_iter' parameter of HistGradientBoostingClassifier .* Got 'many'"
    ):
        fit(seam, ROWS)
