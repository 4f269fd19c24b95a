"""What is done today, what is done with a score, and what it is worth. REPLACE all three."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEE = 0.01  # earned on an approved payment, share of the amount; assumed
GOODWILL = 0.15  # lost with an honest customer who is declined, share of the amount; assumed
LET_THROUGH = None  # ("approve", 0.01) approves one payment in 100 by lot: nobody knows else what declined ones were


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Scores [rows] of today's rule, without a model: large payments abroad, largest first.

    Numbers arrive as float64 with NaN for missing, words as objects with None. numpy only: the service runs this too.
    """
    return np.clip(columns["amount"] / 1_000, 0, 0.5) + 0.5 * columns["foreign"]


def decide(score: float, threshold: float) -> str:
    """The decision that a score leads to. (A regression returns a number and may ignore the threshold.)"""
    return "decline" if score >= threshold else "approve"


def payoff(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    """Money, EUR: what this decision was worth once the outcome (1 fraud, 0 honest) is known."""
    if decision == "decline":
        return 0.0 if outcome else -GOODWILL * float(row["amount"])
    return -float(row["amount"]) if outcome else FEE * float(row["amount"])
