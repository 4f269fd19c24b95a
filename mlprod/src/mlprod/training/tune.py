"""Tuning: tries the settings in SEARCH_SPACE of model.py on the validation rows."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ParameterGrid, ParameterSampler

from ..bundle.manifest import Estimate
from ..project.project import Seam
from .class_metrics import squared_errors
from .dataset import Dataset
from .evaluate import paired_difference
from .export import predict
from .fit import fit, require_scores
from .own_split import split_rows

# Of a larger space this number of settings is drawn, always the same ones.
MAX_TRIALS = 20
# A smaller gain, as a share of the error, does not justify another model, however sure it is.
MIN_RELATIVE_GAIN = 0.01
SEARCH_SPACE_EXAMPLE = (
    'SEARCH_SPACE = {"learning_rate": [0.03, 0.06, 0.12]}, and '
    "def build_model(fields: Fields, learning_rate: float = 0.06)"
)


class EmptySearchSpaceError(Exception):
    """model.py names no settings that can be tried."""


@dataclass(frozen=True)
class TrialResult:
    """Settings, and their mean squared error on the validation rows.

    `gain` is by how much the error is below that of the current settings. Its interval covers 95 %
    for all trials jointly.
    """

    settings: dict[str, Any]
    error: float
    gain: Estimate

    @property
    def better(self) -> bool:
        """Whether the gain is sure, and large enough to justify another model."""
        return self.gain.low > MIN_RELATIVE_GAIN * (self.error + self.gain.value)

    @property
    def description(self) -> str:
        """The settings as text: name=value, ..."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


def tune(seam: Seam, rows: Dataset, trials: int = MAX_TRIALS) -> Iterator[TrialResult]:
    """Try settings, and yield each result.

    It uses no test row, because the gates must not judge with rows that chose the settings.

    Raises EmptySearchSpaceError if there are no settings, and at the end if no setting changes a
    score. Raises SplitError as a training does.
    """
    candidates = _settings(seam, trials)
    parts = split_rows(seam, rows)
    learn, validation = rows.subset(parts.train), rows.subset(parts.validation)
    own, moved = _errors(seam, learn, validation), False
    for settings in candidates:
        errors = _errors(
            replace(seam, build_model=partial(seam.build_model, **settings)), learn, validation
        )
        moved = moved or not np.array_equal(errors, own)
        # Bonferroni, because the best of many settings may win by chance.
        gain = paired_difference(validation, own - errors, tail=0.025 / len(candidates))
        yield TrialResult(settings, float(errors.mean()), gain)
    if not moved:
        raise EmptySearchSpaceError(
            "no setting in SEARCH_SPACE changes a score; check that build_model() uses its "
            "arguments"
        )


def _settings(seam: Seam, trials: int) -> list[dict[str, Any]]:
    if not seam.search_space:
        raise EmptySearchSpaceError(
            f"model.py names no SEARCH_SPACE of settings to try; what works: {SEARCH_SPACE_EXAMPLE}"
        )
    known = _arguments(seam.build_model)
    for name, values in seam.search_space.items():
        if name not in known:
            raise EmptySearchSpaceError(
                f"SEARCH_SPACE of model.py has {name!r}, which is not an argument of "
                f"build_model(); what works: {SEARCH_SPACE_EXAMPLE}"
            )
        if not isinstance(values, list | tuple) or len(values) < 2:
            raise EmptySearchSpaceError(
                f"SEARCH_SPACE of model.py: {name!r} needs a list of two values or more, "
                f"not {values!r}"
            )
    grid = ParameterGrid({name: list(values) for name, values in seam.search_space.items()})
    drawn = (
        grid
        if len(grid) <= trials
        else ParameterSampler(grid.param_grid[0], trials, random_state=0)
    )
    return [dict(settings) for settings in drawn]


def _arguments(build_model: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(build_model).parameters)[1:]


def _errors(seam: Seam, learn: Dataset, validation: Dataset) -> NDArray[np.float64]:
    """Compute the squared errors [validation rows]; a classifier's mean is the Brier score."""
    predicted = predict(seam, fit(seam, learn), validation.columns)
    scores = require_scores(predicted, len(validation), "the model", seam.terms.classes)
    return squared_errors(validation.y, scores)
