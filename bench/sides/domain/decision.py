"""A decision with two values and a payoff of 1 if it is correct."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    return columns["number_01"] / 1_000


def decide(score: float, threshold: float) -> str:
    return "no" if score >= threshold else "yes"


def payoff(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    return float((decision == "no") == bool(outcome))
