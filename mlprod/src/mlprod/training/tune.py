"""Would other settings of the model be better?

Those that model.py names in SEARCH_SPACE, on the validation rows.
"""

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
from .dataset import Dataset
from .evaluate import paired
from .export import predict
from .fit import fit, require_finite
from .split import split

TRIALS = 20  # at most; of a larger space so many are drawn, always the same
WORTH = 0.01  # of the error: a gain below it is not worth another model, however sure
EXAMPLE = (
    'SEARCH_SPACE = {"learning_rate": [0.03, 0.06, 0.12]}, and '
    "def build_model(fields: Fields, learning_rate: float = 0.06)"
)


class EmptySearchSpaceError(Exception):
    """model.py names no settings that could be tried."""


@dataclass(frozen=True)
class TrialResult:
    """Settings, their mean squared error on the validation rows, and by how much it is below that
    of the model's own; the interval holds for all that were tried together.
    """

    settings: dict[str, Any]
    error: float
    gain: Estimate

    @property
    def better(self) -> bool:
        """Surely, and by so much that it is worth it."""
        return self.gain.low > WORTH * (self.error + self.gain.value)

    @property
    def said(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


def tune(seam: Seam, rows: Dataset, trials: int = TRIALS) -> Iterator[TrialResult]:
    """Each of the settings as it was tried.

    The test rows stay unseen, or the gates would judge by what chose.

    Raises EmptySearchSpaceError, at the end also when no setting changes a score, and SplitError as
    a training does.
    """
    requested = _settings(seam, trials)
    parts = split(rows, seam.task(), seam.terms)
    learn, validation = rows.take(parts.train), rows.take(parts.validation)
    own, moved = _errors(seam, learn, validation), False
    for settings in requested:
        errors = _errors(
            replace(seam, build_model=partial(seam.build_model, **settings)), learn, validation
        )
        moved = moved or not np.array_equal(errors, own)
        gain = paired(
            validation, own - errors, tail=0.025 / len(requested)
        )  # Bonferroni: one of many wins by luck
        yield TrialResult(settings, float(errors.mean()), gain)
    if not moved:
        raise EmptySearchSpaceError(
            "none of the settings changes a single score; does build_model() use its arguments?"
        )


def _settings(seam: Seam, trials: int) -> list[dict[str, Any]]:
    if not seam.space:
        raise EmptySearchSpaceError(
            f"model.py names no SEARCH_SPACE of settings to try; for example {EXAMPLE}"
        )
    known = _arguments(seam.build_model)
    for name, values in seam.space.items():
        if name not in known:
            raise EmptySearchSpaceError(
                f"SEARCH_SPACE of model.py has {name!r}, no argument of build_model(); "
                f"works: {EXAMPLE}"
            )
        if not isinstance(values, list | tuple) or len(values) < 2:
            raise EmptySearchSpaceError(
                f"SEARCH_SPACE of model.py: {name!r} needs a list of two values or more, "
                f"not {values!r}"
            )
    grid = ParameterGrid({name: list(values) for name, values in seam.space.items()})
    drawn = (
        grid
        if len(grid) <= trials
        else ParameterSampler(grid.param_grid[0], trials, random_state=0)
    )
    return [dict(settings) for settings in drawn]


def _arguments(build_model: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(build_model).parameters)[1:]


def _errors(seam: Seam, learn: Dataset, validation: Dataset) -> NDArray[np.float64]:
    """Squared error [rows of validation]; of a classifier its mean is the Brier score."""
    scores = require_finite(
        predict(seam, fit(seam, learn), validation.columns), len(validation), "the model"
    )
    return (scores - validation.y) ** 2
