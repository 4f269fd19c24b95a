"""Biopsy or wait."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Today: the texture decides."""
    return np.clip(columns["worst_texture"] / 50, 0, 1)


def decide(score: float, threshold: float) -> str:
    """A biopsy from the threshold on."""
    return "biopsy" if score >= threshold else "wait"


def payoff(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    """A biopsy costs 1, a missed cancer 5; assumed."""
    return -1.0 if decision == "biopsy" else -5.0 * outcome
