"""How far two distributions are apart, from shares in the same bins."""

import math
from collections.abc import Sequence

from .thresholds import CHANCE_COEFFICIENT, DRIFT_GAP

FLOOR = 1e-4  # of a share in a logarithm: an empty bin has none


def ks_statistic(now: Sequence[float], then: Sequence[float]) -> float:
    """The largest distance of two lists of cumulative shares: the Kolmogorov-Smirnov statistic,
    seen at the edges only. Values between edges can only add to it, so that the bound below is met
    even less often by chance.
    """
    return max((abs(a - b) for a, b in zip(now, then, strict=True)), default=0.0)


def ks_critical_value(n: int, m: int) -> float:
    """What the largest gap between samples of n and m rows of one distribution exceeds once in a
    thousand times (Smirnov 1948; for large samples): the coefficient is c(a) = sqrt(-ln(a / 2) / 2)
    for a = 0.001. Infinite while one of them has no rows.
    """
    return CHANCE_COEFFICIENT * math.sqrt(1 / n + 1 / m) if n and m else math.inf


def drift_threshold(n: int, m: int) -> float:
    """The gap above which something has drifted."""
    return max(DRIFT_GAP, ks_critical_value(n, m))


def population_stability_index(now: Sequence[float], then: Sequence[float]) -> float:
    """Population stability index of the shares of each bin, as credit scoring uses it (Siddiqi
    2006); the sum of both Kullback-Leibler divergences. For people to read: above 0.1 a look, above
    0.25 a large change. No alarm hangs on it.
    """
    pairs = [(max(a, FLOOR), max(b, FLOOR)) for a, b in zip(now, then, strict=True)]
    return sum((a - b) * math.log(a / b) for a, b in pairs)
