"""The features of the page docs/four-files.md."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def derive(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    angle = columns["hour"] * (2 * np.pi / 24)
    unchanged = ("foreign", "spent_24h", "card_age", "distance")
    return {name: columns[name] for name in unchanged} | {
        "log_amount": np.log1p(columns["amount"]),
        "hour_sin": np.sin(angle),
        "hour_cos": np.cos(angle),
    }
