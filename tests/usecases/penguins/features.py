"""The day of the season, the weekday, and words of the remarks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORDS = ("nest", "blood", "sampled")


def derive(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """Measures as they are, times from the date, and whether the remarks have a word."""
    day = columns["egg"].astype("datetime64[D]")
    remarks = [str(text or "").casefold() for text in columns["remarks"]]
    measures = ("culmen_length", "culmen_depth", "flipper")
    return {name: columns[name] for name in measures} | {
        "day_of_year": (day - day.astype("datetime64[Y]")) / np.timedelta64(1, "D"),
        "years_of_study": (columns["egg"] - 13_514) / 365.25,
        "weekday": (columns["egg"] + 3) % 7,
        **{word: np.array([float(word in text) for text in remarks]) for word in WORDS},
    }
