"""Distances between two distributions, computed from their shares in the same bins."""

import math
from collections.abc import Sequence

from .thresholds import CHANCE_COEFFICIENT, DRIFT_GAP

# The smallest share that enters a logarithm: an empty bin has no logarithm.
FLOOR = 1e-4


def ks_statistic(now: Sequence[float], reference: Sequence[float]) -> float:
    """Return the Kolmogorov-Smirnov statistic of two lists of cumulative shares, at the bin edges.

    It is the largest distance between them. Values between the edges could only increase it, so the
    critical value below is exceeded even less often by chance.
    """
    return max((abs(a - b) for a, b in zip(now, reference, strict=True)), default=0.0)


def ks_critical_value(n: int, m: int) -> float:
    """Return the Kolmogorov-Smirnov critical value for samples of n and m rows.

    Two samples of one distribution exceed it once in a thousand times (Smirnov 1948, for large
    samples). The coefficient is c(a) = sqrt(-ln(a / 2) / 2) for a = 0.001. It is infinite if one
    sample has no rows.
    """
    return CHANCE_COEFFICIENT * math.sqrt(1 / n + 1 / m) if n and m else math.inf


def drift_threshold(n: int, m: int) -> float:
    """Return the gap above which a field counts as drifted, for samples of n and m rows."""
    return max(DRIFT_GAP, ks_critical_value(n, m))


def population_stability_index(now: Sequence[float], reference: Sequence[float]) -> float:
    """Return the population stability index of the shares of each bin (Siddiqi 2006).

    It is the sum of both Kullback-Leibler divergences, as credit scoring uses it. People read it:
    above 0.1 a change is worth a check, above 0.25 it is large. No alert depends on it.
    """
    pairs = [(max(a, FLOOR), max(b, FLOOR)) for a, b in zip(now, reference, strict=True)]
    return sum((a - b) * math.log(a / b) for a, b in pairs)
