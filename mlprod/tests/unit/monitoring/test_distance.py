import math

import numpy as np
import pytest

from mlprod.monitoring.distance import (
    drift_threshold,
    ks_critical_value,
    ks_statistic,
    population_stability_index,
)
from mlprod.monitoring.thresholds import CHANCE_COEFFICIENT


def test_coefficient_is_that_of_one_in_a_thousand() -> None:
    assert math.sqrt(-math.log(0.001 / 2) / 2) == pytest.approx(CHANCE_COEFFICIENT, abs=0.001)


def test_ks_statistic_is_the_largest_gap_in_either_direction() -> None:
    assert ks_statistic([0.2, 0.5, 0.9], [0.1, 0.8, 0.9]) == pytest.approx(0.3)
    assert ks_statistic([], []) == 0


def test_threshold_is_wider_for_few_rows_and_at_least_a_twentieth() -> None:
    assert ks_critical_value(100, 100) == pytest.approx(1.95 * math.sqrt(0.02))
    assert drift_threshold(100, 10**6) > 0.19
    assert drift_threshold(10**6, 10**6) == 0.05
    assert ks_critical_value(0, 100) == math.inf


def test_samples_of_one_distribution_rarely_exceed_the_critical_value() -> None:
    random = np.random.Generator(np.random.Philox(4))
    edges = np.arange(1, 10) / 10
    above = 0
    for _ in range(2_000):
        one, other = (
            np.searchsorted(np.sort(random.random(n)), edges, side="right") / n for n in (300, 500)
        )
        above += ks_statistic(one.tolist(), other.tolist()) > ks_critical_value(300, 500)
    assert above <= 6, "a thousandth at most, and less at ten edges"


def test_index_is_zero_for_equal_shares_grows_with_a_shift_and_accepts_an_empty_bin() -> None:
    assert population_stability_index([0.5, 0.5], [0.5, 0.5]) == 0
    assert population_stability_index([0.6, 0.4], [0.5, 0.5]) == pytest.approx(
        0.1 * math.log(1.2) - 0.1 * math.log(0.8)
    )
    assert 0.25 < population_stability_index([1.0, 0.0], [0.5, 0.5]) < 10
