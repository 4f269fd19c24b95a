from dataclasses import replace

import numpy as np
from seams import binary
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlprod.training.dataset import load_rows
from mlprod.training.run_facts import (
    changed_settings,
    digest_of_payoff,
    digest_of_rows,
    estimator_name,
)

DECISION = '''"""The rule."""

FEE = 0.01  # assumed


def baseline(columns):
    return columns["amount"]


def decide(score, threshold):
    return "yes" if score >= threshold else "no"


def payoff(decision, outcome, row):
    """Money."""
    return _cost(row) if decision == "yes" else 0.0


def _cost(row):
    return FEE * row["amount"]
'''


def test_settings_are_those_that_differ_from_the_defaults_also_inside_a_pipeline() -> None:
    estimator = make_pipeline(StandardScaler(with_mean=False), HistGradientBoostingClassifier(
        max_iter=7, random_state=0
    ))  # fmt: skip
    assert changed_settings(estimator) == {
        "StandardScaler.with_mean": "False",
        "HistGradientBoostingClassifier.max_iter": "7",
        "HistGradientBoostingClassifier.random_state": "0",
    }
    assert estimator_name(estimator) == "HistGradientBoostingClassifier"


def test_two_estimators_of_one_class_have_settings_of_their_own() -> None:
    estimator = make_pipeline(StandardScaler(with_mean=False), StandardScaler(with_std=False))
    assert changed_settings(estimator) == {
        "StandardScaler.with_mean": "False",
        "StandardScaler.with_std": "False",
    }
    twice = make_pipeline(StandardScaler(with_mean=False), StandardScaler(with_mean=False))
    assert changed_settings(twice) == {
        "StandardScaler.with_mean": "False",
        "standardscaler-2.with_mean": "False",
    }


def test_estimator_without_parameters_has_no_settings() -> None:
    assert changed_settings(object()) == {}


def test_digest_of_the_payoff_changes_with_money_and_not_with_rule_or_comments() -> None:
    digest = digest_of_payoff(DECISION)
    for old, new in (
        ('columns["amount"]', 'columns["amount"] * 2'),
        ('"yes" if score >= threshold', '"yes" if score > threshold'),
        ("# assumed", "# measured"),
        ('"""Money."""', '"""Money in EUR."""'),
    ):
        assert digest_of_payoff(DECISION.replace(old, new)) == digest
    for old, new in (("0.01", "0.02"), ("else 0.0", "else 1.0"), ("FEE * row", "2 * FEE * row")):
        assert digest_of_payoff(DECISION.replace(old, new)) != digest


def test_digest_of_rows_depends_on_ids_and_labels_and_not_on_features() -> None:
    rows = load_rows(binary)[1]
    digest = digest_of_rows(rows)
    rounded = {**rows.columns, "weight": np.round(rows.columns["weight"])}
    assert digest_of_rows(replace(rows, columns=rounded)) == digest
    assert digest_of_rows(replace(rows, y=1 - rows.y)) != digest
    assert digest_of_rows(rows.subset(np.arange(10))) != digest
