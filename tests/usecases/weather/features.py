"""The day of the year as a circle, so that December is near January."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def derive(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """The model's numbers [rows]."""
    angle = columns["day_of_year"] * (2 * np.pi / 365.25)
    unchanged = ("temp_max_7", "temp_min_7", "mean_28")
    return {name: columns[name] for name in unchanged} | {
        "season_sin": np.sin(angle),
        "season_cos": np.cos(angle),
    }
