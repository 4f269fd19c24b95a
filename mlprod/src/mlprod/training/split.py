"""Split by unit and time."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.schema import ContractSchema, Task
from .dataset import Dataset
from .split_errors import SMALLEST, one_class, too_few

TRAIN, VALIDATION = 0.60, 0.15  # shares of the units; the rest tests
TRAIN_TIME_SHARE = (
    0.70  # share of the time before which the model learns and after which it is measured
)


class SplitError(Exception):
    """There are too few rows, or a part holds one class only."""


class LeakageError(Exception):
    """The parts of a split know of each other."""


@dataclass(frozen=True)
class Split:
    """Positions of rows: the model learns on `train`, `validation` gives the threshold, `test` the
    figures.
    """

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def split(rows: Dataset, task: Task, terms: ContractSchema | None = None) -> Split:
    """Units are dealt by hash, the same at every run: no version of a model has ever learnt from a
    test unit.

    With a time, learning ends where measuring begins; rows on the wrong side of either line are
    left out. Raises SplitError, which names the columns of `terms`.
    """
    place = shares(rows.units)
    past, future = np.ones(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
    if rows.at is not None and len(rows):
        now = np.sort(rows.at)[int(len(rows) * TRAIN_TIME_SHARE)]
        past, future = rows.at < now, rows.at >= now
    parts = Split(
        train=np.flatnonzero((place < TRAIN) & past),
        validation=np.flatnonzero((place >= TRAIN) & (place < TRAIN + VALIDATION) & future),
        test=np.flatnonzero((place >= TRAIN + VALIDATION) & future),
    )
    for name, part in vars(parts).items():
        if len(part) < SMALLEST:
            raise SplitError(too_few(rows, name, len(part), terms))
        if task == "binary" and len(np.unique(rows.y[part])) < 2:
            raise SplitError(one_class(rows, name, part, terms))
    verify(rows, parts)
    return parts


def verify(rows: Dataset, parts: Split) -> None:
    """Raises LeakageError when a unit stands on both sides, or when learning reaches into the time
    of measuring.
    """
    learnt = set(rows.units[parts.train])
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        if shared := learnt & set(rows.units[part]):
            raise LeakageError(
                f"{len(shared)} units stand in train and in {name}, for example {min(shared)!r}"
            )
        if rows.at is not None and rows.at[parts.train].max() >= rows.at[part].min():
            raise LeakageError(
                f"train reaches to {rows.at[parts.train].max()}, {name} begins at "
                f"{rows.at[part].min()}"
            )


def shares(units: NDArray[Any]) -> NDArray[np.float64]:
    """A number in [0, 1) for each unit name, by hash: independent of the other units and of the
    order.
    """
    known = {
        unit: int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=7).digest()) / 2**56
        for unit in set(units)
    }
    return np.array([known[unit] for unit in units], dtype=np.float64)
