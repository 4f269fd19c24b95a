"""Split of the rows by unit and time, and its leakage check."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.schema import ContractSchema, Task
from .dataset import Dataset
from .split_errors import (
    MIN_PART_ROWS,
    describe_absent_classes,
    describe_one_class,
    describe_too_few_rows,
)

# Shares of the units; the rest is the test part.
TRAIN_SHARE, VALIDATION_SHARE = 0.60, 0.15
# Share of the rows, by time, from which the model learns; the later rows test it.
TRAIN_TIME_SHARE = 0.70


class SplitError(Exception):
    """A part has too few rows, one class only, or no row of a class."""


class LeakageError(Exception):
    """Two parts of a split share units, or overlap in time."""


@dataclass(frozen=True)
class Split:
    """Positions of rows in the three parts.

    The model learns from `train`, `validation` gives the threshold, `test` the figures.
    """

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def split(rows: Dataset, task: Task, terms: ContractSchema | None = None) -> Split:
    """Split the rows by a hash of their unit, which is the same in every run.

    So no version of a model has ever learned from a test unit. With EVENT_TIME the training part
    ends before the other two begin, and rows of a group on the wrong side are left out. Without
    GROUP no row is left out: the earlier rows train, and the hash divides the later ones. Those of
    a regression are divided by time alone, so the test rows are the newest. Raises SplitError if a
    part has too few rows or one class only, or if a class of CLASSES is absent from the training or
    the test part; its message names the columns of `terms`.

    A split that is stratified by class would move rows between the parts when labels arrive. So the
    classes are checked instead.
    """
    place, train_share = hash_shares(rows.units), TRAIN_SHARE
    past, future = np.ones(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
    if rows.at is not None and len(rows):
        now = np.sort(rows.at)[int(len(rows) * TRAIN_TIME_SHARE)]
        past, future = rows.at < now, rows.at >= now
        if terms and terms.unit is None:
            if task == "regression":
                place[future] = time_shares(rows.at[future], place[future])
            place, train_share = np.where(past, 0.0, TRAIN_SHARE + (1 - TRAIN_SHARE) * place), 1.0
    learns = place < train_share
    parts = Split(
        train=np.flatnonzero(learns & past),
        validation=np.flatnonzero(
            (place >= TRAIN_SHARE) & (place < TRAIN_SHARE + VALIDATION_SHARE) & future
        ),
        test=np.flatnonzero((place >= TRAIN_SHARE + VALIDATION_SHARE) & future),
    )
    for name, part in vars(parts).items():
        if len(part) < MIN_PART_ROWS:
            raise SplitError(describe_too_few_rows(rows, name, len(part), terms))
        if task == "binary" and len(np.unique(rows.y[part])) < 2:
            raise SplitError(describe_one_class(rows, name, part, terms))
        if terms and terms.classes and name != "validation":
            require_classes(rows, name, part, terms)
    verify_split(rows, parts)
    return parts


def require_classes(
    rows: Dataset, name: str, part: NDArray[np.intp], terms: ContractSchema
) -> None:
    """Raises SplitError if a class of CLASSES has no row in the part with this name."""
    present = set(rows.y[part].astype(int).tolist())
    absent = [place for place in range(len(terms.classes)) if place not in present]
    if absent:
        raise SplitError(describe_absent_classes(rows, name, absent, terms))


def verify_split(rows: Dataset, parts: Split) -> None:
    """Check a split.

    Raises LeakageError if a unit is in the training part and in another one, or if the training
    part overlaps with another one in time.
    """
    learned = set(rows.units[parts.train])
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        if shared := learned & set(rows.units[part]):
            raise LeakageError(
                f"{len(shared)} units are in train and in {name}, for example {min(shared)!r}"
            )
        if rows.at is not None and rows.at[parts.train].max() >= rows.at[part].min():
            raise LeakageError(
                f"train ends at {rows.at[parts.train].max()}, but {name} begins at "
                f"{rows.at[part].min()}"
            )


def time_shares(at: NDArray[np.datetime64], otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share [rows] of rows before each row, in [0, 1); rows of one time stay together.

    Returns `otherwise` if rows of one time are so many that no cut leaves enough rows on each side.
    """
    result = np.searchsorted(np.sort(at), at) / max(len(at), 1)
    validated = int(np.sum(result < VALIDATION_SHARE / (1 - TRAIN_SHARE)))
    enough = MIN_PART_ROWS <= validated <= len(at) - MIN_PART_ROWS
    return result if enough else otherwise


def hash_shares(units: NDArray[Any]) -> NDArray[np.float64]:
    """Hash each unit name to a number in [0, 1).

    The number does not depend on the other units or on their order.
    """
    known = {
        unit: int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=7).digest()) / 2**56
        for unit in set(units)
    }
    return np.array([known[unit] for unit in units], dtype=np.float64)
