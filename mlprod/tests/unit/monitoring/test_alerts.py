from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from past import NOW

from mlprod.bundle.manifest import Estimate
from mlprod.bundle.reference_profile import Distribution
from mlprod.monitoring.alerts import (
    Alert,
    age_alerts,
    drift_alerts,
    input_alerts,
    outcome_alerts,
    overdue_alerts,
    payoff_agreement,
    quality_alerts,
    usage_alerts,
    value_alerts,
)
from mlprod.monitoring.drift import Drift
from mlprod.monitoring.drift_counts import SCORE, FeatureCounts
from mlprod.monitoring.windows import MONTH, WEEK
from mlprod.records.outcome_stats import OutcomeStats

TEST = Estimate(value=0.1, low=0.08, high=0.12, n=5_000)
CITY = Distribution(
    name="city",
    edges=("bergen", "oslo"),
    shares=(0.5, 0.4, 0.1),
    cumulative=(0.5, 0.9, 1.0),
    missing=0.2,
    rows=10_000,
)


def alerts(signals: Any) -> list[str]:
    return [signal.alert for signal in signals]


def city(present: int = 800, missing: int = 200, unknown: int = 80) -> Drift:
    known = present - unknown
    return Drift("city", "steady", FeatureCounts(present, missing, (known // 2, known)), CITY)


def outcomes(cases: int, error: float = 0.1, money: float = 0.0, failures: int = 0) -> OutcomeStats:
    result = OutcomeStats(
        Counter({("call", "1"): cases}),
        squared_error=cases * error,
        paid=cases - failures,
        failures=failures,
    )
    result.gain, result.loss = max(money, 0), max(-money, 0)
    return result


def test_drift_of_a_field_and_of_the_score_raise_different_alerts() -> None:
    drifting = replace(city(), verdict="drifts", gap=0.11, allowed=0.05)
    assert list(drift_alerts([drifting, city()])) == [
        Alert(
            "FeatureDrift",
            "city differs by 11.0% from the training data; the limit is 5.0%",
            "city",
        )
    ]
    assert alerts(drift_alerts([replace(drifting, name=SCORE)])) == ["PredictionDrift"]


@pytest.mark.parametrize(
    ("rows", "alert"),
    [
        ({}, []),
        ({"missing": 340}, []),
        ({"missing": 345}, ["MissingValues"]),
        ({"present": 0, "missing": 50, "unknown": 0}, ["MissingValues"]),
        ({"present": 0, "missing": 49, "unknown": 0}, []),
        ({"missing": 0}, []),
        ({"unknown": 155}, []),
        ({"unknown": 165}, ["UnknownCategories"]),
        ({"present": 40, "missing": 0, "unknown": 40}, []),
        ({"present": 100, "missing": 20, "unknown": 25}, []),
    ],
)
def test_missing_values_and_unknown_categories_raise_alerts_above_their_limits(
    rows: dict[str, int], alert: list[str]
) -> None:
    assert alerts(input_alerts([city(**rows)])) == alert


@pytest.mark.parametrize(
    ("judged", "routes", "alert"),
    [
        ({"overridden": 9, "accepted": 21}, {"model": 45, "manual": 5}, []),
        ({"overridden": 10, "accepted": 20}, {"model": 50, "manual": 0}, ["OverrideRateHigh"]),
        ({"overridden": 29}, {"model": 0, "manual": 49}, []),
        ({}, {"model": 44, "manual": 6}, ["BypassHigh"]),
        ({}, {"model": 0, "manual": 0}, []),
    ],
)
def test_overruled_and_bypassed_decisions_raise_alerts_above_their_limits(
    judged: dict[str, int], routes: dict[str, int], alert: list[str]
) -> None:
    assert alerts(usage_alerts(Counter(judged), routes, 0.3, 0.1)) == alert


@pytest.mark.parametrize(
    ("now", "before", "alert"),
    [
        ((0, 1_000), (50, 1_000), ["OutcomesMissing"]),
        ((24, 1_000), (50, 1_000), ["OutcomesMissing"]),
        ((26, 1_000), (50, 1_000), []),
        ((20, 60), (50, 1_000), []),  # as many for each case
        ((0, 49), (50, 1_000), []),
        ((0, 1_000), (49, 1_000), []),
        ((0, 1_000), (50, 0), []),
    ],
)
def test_outcomes_that_stop_arriving_raise_an_alert(
    now: tuple[int, int], before: tuple[int, int], alert: list[str]
) -> None:
    assert alerts(outcome_alerts(now, before)) == alert


@pytest.mark.parametrize(
    ("cases", "error", "task", "alert"),
    [
        (200, 0.193, "binary", []),  # less than 0.12 + 3 * sqrt(0.12 / 200)
        (200, 0.194, "binary", ["QualityBelowTest"]),
        (200, 0.196, "regression", []),  # less than 0.12 + 3 * 3 * 0.12 / sqrt(200)
        (200, 0.197, "regression", ["QualityBelowTest"]),
        (199, 0.9, "binary", []),
        (100_000, 0.179, "binary", []),
        (100_000, 0.181, "binary", ["QualityBelowTest"]),
    ],
)
def test_higher_error_on_real_cases_than_on_test_rows_raises_an_alert(
    cases: int, error: float, task: Any, alert: list[str]
) -> None:
    assert alerts(quality_alerts(outcomes(cases, error), 1, task, TEST)) == alert


def test_quality_without_a_figure_of_the_test_rows_raises_nothing() -> None:
    assert alerts(quality_alerts(outcomes(900, 0.9), 1, "binary", None)) == []


def test_quality_of_the_first_outcomes_raises_nothing() -> None:
    assert alerts(quality_alerts(outcomes(900, 0.9), 0, "binary", TEST)) == []


@pytest.mark.parametrize(
    ("weeks", "target", "alert"),
    [
        ([outcomes(30, money=69), outcomes(30, money=69)], 200, ["ValueBelowTarget"]),
        ([outcomes(30, money=70), outcomes(30, money=69)], 200, []),
        ([outcomes(30, money=69), outcomes(30, money=70)], 200, []),
        ([outcomes(30, money=0), outcomes(29, money=0)], 200, []),
        ([outcomes(30, money=0), outcomes(30, money=0)], None, []),
        ([outcomes(100, failures=2), outcomes(100)], None, ["PayoffErrors"]),
        ([outcomes(100, failures=1), outcomes(100)], None, []),
    ],
)
def test_payoff_below_target_for_two_weeks_raises_an_alert(
    weeks: list[OutcomeStats], target: float | None, alert: list[str]
) -> None:
    assert alerts(value_alerts(weeks, target, cost=100)) == alert


def test_old_model_and_overdue_date_raise_alerts() -> None:
    assert alerts(age_alerts(NOW - timedelta(days=90), NOW, 90)) == []
    assert alerts(age_alerts(NOW - timedelta(days=91), NOW, 90)) == ["ModelStale"]
    assert (
        alerts(age_alerts(None, NOW, 90))
        == alerts(age_alerts(NOW - timedelta(days=999), NOW, None))
        == []
    )
    due = [("a file: a key", date(2026, 6, 14)), ("another", date(2026, 6, 15))]
    assert [signal.id for signal in overdue_alerts(due, date(2026, 6, 15))] == [
        "GovernanceOverdue: a file: a key"
    ]


def test_payoff_of_real_cases_agrees_with_test_rows_within_the_margin() -> None:
    received = outcomes(400, money=40)
    received.squared_money = 400 * 1.01  # a spread of one
    assert received.mean_money == pytest.approx((0.1, 0.05), rel=1e-2)
    assert payoff_agreement(received, TEST)[0]
    assert payoff_agreement(received, Estimate(value=0.3, low=0.197, high=0.4, n=9))[0]
    agrees, message = payoff_agreement(received, Estimate(value=0.3, low=0.199, high=0.4, n=9))
    assert not agrees
    assert message == (
        "0.1 per case over 400 real cases, plus or minus 0.098; 0.3 (0.199 to 0.4) on the test rows"
    )
    assert not payoff_agreement(OutcomeStats(), TEST)[0]


def test_a_month_is_a_little_more_than_four_weeks() -> None:
    assert pytest.approx(30 / 7) == MONTH / WEEK
