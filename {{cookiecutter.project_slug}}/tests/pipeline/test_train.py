from dataclasses import replace

import ibis
import numpy as np
import pytest
from seams import PARCELS, binary, parcels, regression

from {{cookiecutter.package_name}}.pipeline.rows import collect
from {{cookiecutter.package_name}}.pipeline.train import UnusableScores, choose_threshold, fit, money

ROWS = collect(ibis.memtable(parcels(400)), PARCELS)


def test_the_threshold_is_the_one_that_is_worth_most() -> None:
    scores = ROWS.columns["stops"] / 50
    chosen = choose_threshold(binary, ROWS, scores)
    worth = money(binary, ROWS, scores, chosen).sum()
    assert all(worth >= money(binary, ROWS, scores, other).sum() for other in np.linspace(0, 1.1, 12))
    assert 0.1 < chosen < 0.9


def test_when_doing_nothing_is_worth_most_nothing_is_done() -> None:
    harmless = replace(binary, payoff=lambda decision, outcome, row: -1.0 if decision == "call" else 0.0)
    scores = ROWS.columns["stops"] / 50
    assert choose_threshold(harmless, ROWS, scores) > scores.max()


def test_a_regression_has_no_threshold() -> None:
    assert choose_threshold(regression, ROWS, ROWS.y) == 0


def test_a_payoff_is_asked_for_each_row() -> None:
    paid = money(binary, ROWS, np.ones(len(ROWS)), 0.5)
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
    with pytest.raises(UnusableScores, match=r"payoff\(\) reads 'distance', .* PERSONAL"):
        choose_threshold(curious, ROWS, ROWS.columns["stops"] / 50)
    with pytest.raises(UnusableScores, match="'distance'"):
        money(curious, ROWS, np.ones(len(ROWS)), 0.5)
    wrong = replace(binary, payoff=lambda decision, outcome, row: row["no such field"])
    with pytest.raises(KeyError, match="no such field"):
        money(wrong, ROWS, np.ones(len(ROWS)), 0.5)
