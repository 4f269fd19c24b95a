"""How much of a drug a penguin gets, by its estimated mass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOSE_PER_GRAM = 0.002


def baseline(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Today: a Gentoo weighs 5 kg, every other penguin 3.7 kg."""
    gentoo = np.array(["Gentoo" in str(species) for species in columns["species"]])
    return np.where(gentoo, 5_000.0, 3_700.0)


def decide(score: float, threshold: float) -> float:
    """The dose, in ml."""
    return score * DOSE_PER_GRAM


def payoff(decision: float, outcome: float, row: Mapping[str, Any]) -> float:
    """Each ml too many or too few costs 10; assumed."""
    return -10.0 * abs(decision - outcome * DOSE_PER_GRAM)
