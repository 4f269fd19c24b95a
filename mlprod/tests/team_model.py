"""A model of the tickets for runtime python, in a module that a trial imports quickly."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TeamModel:
    """A model of the project's own, whose probabilities are shares of past tickets."""

    def __init__(self, task: str = "multiclass") -> None:
        self.task = task

    def fit(self, columns: Mapping[str, NDArray[Any]], y: NDArray[np.int64]) -> "TeamModel":
        mail = columns["channel"] == "mail"
        self.shares = [np.bincount(y[mask], minlength=4) / mask.sum() for mask in (~mail, mail)]
        return self

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        return np.array([self.shares[channel == "mail"] for channel in columns["channel"]])
