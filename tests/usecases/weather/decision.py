"""Cold drinks that a kiosk orders a week ahead, by the expected temperature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Today: it will be as warm as a week before."""
    return np.asarray(columns["temp_max_7"], dtype=np.float64)


def decide(score: float, threshold: float) -> float:
    """Ten crates for every degree above zero."""
    return max(0.0, round(10 * score))


def payoff(decision: float, outcome: float, row: Mapping[str, Any]) -> float:
    """A crate too many or too few costs 2 EUR; assumed."""
    return -2.0 * abs(decision - 10 * max(0.0, outcome))
