"""Which ring a penguin gets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Today: the heavier, the likelier a male."""
    return np.clip(np.nan_to_num(columns["mass"], nan=4_000) / 7_000, 0, 1)


def decide(score: float, threshold: float) -> str:
    """A large ring for a male."""
    return "large" if score >= threshold else "small"


def payoff(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    """A small ring on a male hurts, a large one on a female gets lost; assumed."""
    if decision == "small":
        return -3.0 * outcome
    return outcome - 1
