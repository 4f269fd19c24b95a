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


def test_threshold_has_the_largest_payoff() -> None:
    scores = ROWS.columns["stops"] / 50
    chosen = choose_threshold(binary, ROWS, scores)
    worth = payoffs(binary, ROWS, scores, chosen).sum()
    assert all(
        worth >= payoffs(binary, ROWS, scores, other).sum() for other in np.linspace(0, 1.1, 12)
    )
    assert 0.1 < chosen < 0.9


def test_threshold_is_above_all_scores_if_no_action_pays_best() -> None:
    harmless = replace(
        binary, payoff=lambda decision, outcome, row: -1.0 if decision == "call" else 0.0
    )
    scores = ROWS.columns["stops"] / 50
    assert choose_threshold(harmless, ROWS, scores) > scores.max()


def test_regression_has_no_threshold() -> None:
    assert choose_threshold(regression, ROWS, ROWS.y) == 0


def test_payoff_is_computed_for_each_row() -> None:
    paid = payoffs(binary, ROWS, np.ones(len(ROWS)), 0.5)
    np.testing.assert_array_equal(paid, -1)


def test_model_of_runtime_python_learns_from_raw_columns() -> None:
    class RecordsColumns:
        def fit(self, columns: dict[str, object], y: object) -> list[str]:
            return list(columns)

    seam = replace(binary, runtime="python", build_model=lambda fields: RecordsColumns())
    assert fit(seam, ROWS) == list(PARCELS.fields.names)


def test_payoff_that_reads_pii_is_refused() -> None:
    """The records hold no PII, so the payoff could not be computed from them."""
    reads_pii = replace(binary, payoff=lambda decision, outcome, row: -float(row["distance"] or 0))
    with pytest.raises(InvalidScoresError, match=r"payoff\(\) reads 'distance', .* PII"):
        choose_threshold(reads_pii, ROWS, ROWS.columns["stops"] / 50)
    with pytest.raises(InvalidScoresError, match="'distance'"):
        payoffs(reads_pii, ROWS, np.ones(len(ROWS)), 0.5)
    unknown = replace(binary, payoff=lambda decision, outcome, row: row["no such field"])
    with pytest.raises(KeyError, match="no such field"):
        payoffs(unknown, ROWS, np.ones(len(ROWS)), 0.5)


def test_missing_values_that_the_estimator_rejects_are_reported_with_their_fields() -> None:
    with pytest.raises(
        FitError, match="LogisticRegression cannot learn from the rows: Input X contains NaN"
    ) as failed:
        fit(replace(binary, build_model=lambda fields: LogisticRegression()), ROWS)
    assert "Missing values are in distance. Put SimpleImputer()" in str(failed.value)


def test_invalid_setting_of_the_estimator_is_reported() -> None:
    seam = replace(
        binary, build_model=lambda fields: HistGradientBoostingClassifier(max_iter="many")
    )
    with pytest.raises(
        FitError, match=r"'max_iter' parameter of HistGradientBoostingClassifier .* Got 'many'"
    ):
        fit(seam, ROWS)
