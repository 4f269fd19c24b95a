"""Split by unit and time, and look for what would make an evaluation lie."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..contract.encoding import encode
from ..contract.terms import Fields, Task
from .rows import Rows

TRAIN, VALIDATION = 0.60, 0.15  # shares of the units; the rest tests
PAST = 0.70  # share of the time before which the model learns and after which it is measured
BINS = 100  # groups that a number is cut into, to see what it tells
SMALLEST = 30  # rows that each part needs at least


class SplitImpossible(Exception):
    """There are too few rows, or a part holds one class only."""


class Leak(Exception):
    """The parts of a split know of each other."""


@dataclass(frozen=True)
class Split:
    """Positions of rows: the model learns on `train`, `validation` gives the threshold, `test` the figures."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def split(rows: Rows, task: Task) -> Split:
    """Units are dealt by hash, the same at every run: no version of a model has ever learnt from a test unit.

    With a time, learning ends where measuring begins; rows on the wrong side of either line are left out.
    Raises SplitImpossible.
    """
    place = shares(rows.units)
    past, future = np.ones(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
    if rows.at is not None and len(rows):
        now = np.sort(rows.at)[int(len(rows) * PAST)]
        past, future = rows.at < now, rows.at >= now
    parts = Split(
        train=np.flatnonzero((place < TRAIN) & past),
        validation=np.flatnonzero((place >= TRAIN) & (place < TRAIN + VALIDATION) & future),
        test=np.flatnonzero((place >= TRAIN + VALIDATION) & future),
    )
    for name, part in vars(parts).items():
        if len(part) < SMALLEST:
            raise SplitImpossible(
                f"{len(part)} of {len(rows)} labelled rows fall to {name}; it needs {SMALLEST}: load more rows"
            )
        if task == "binary" and len(np.unique(rows.y[part])) < 2:
            raise SplitImpossible(f"all {len(part)} rows of {name} have the label {rows.y[part][0]:g}: load more rows")
    verify(rows, parts)
    return parts


def verify(rows: Rows, parts: Split) -> None:
    """Raises Leak when a unit stands on both sides, or when learning reaches into the time of measuring."""
    learnt = set(rows.units[parts.train])
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        if shared := learnt & set(rows.units[part]):
            raise Leak(f"{len(shared)} units stand in train and in {name}, for example {min(shared)!r}")
        if rows.at is not None and rows.at[parts.train].max() >= rows.at[part].min():
            raise Leak(f"train reaches to {rows.at[parts.train].max()}, {name} begins at {rows.at[part].min()}")


def shares(units: NDArray[Any]) -> NDArray[np.float64]:
    """A number in [0, 1) for each unit name, by hash: independent of the other units and of the order."""
    known = {
        unit: int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=7).digest()) / 2**56 for unit in set(units)
    }
    return np.array([known[unit] for unit in units], dtype=np.float64)


def single_field_power(fields: Fields, rows: Rows, task: Task) -> dict[str, float]:
    """How well each field tells the label alone: area under the ROC curve (0.5 to 1) or |correlation| (0 to 1).

    A field near 1 is a copy of the label, and known only after the fact (Kaufman et al. 2012, Leakage in data mining).
    """
    measure = _auc if task == "binary" else _correlation
    half = shares(rows.units) * 1_000 % 2 < 1
    powers = {}
    for field in fields:
        if field.kind != "text":
            values = encode(Fields((field,)), rows.columns)[:, 0].astype(np.float64)  # as the model sees it
            found = [measure(_means_of_groups(values, rows.y, half), rows.y)]
            if field.kind != "category":
                found.append(measure(rankdata(np.where(np.isnan(values), -np.inf, values)), rows.y))
            powers[field.name] = max(found)
    return powers


def _means_of_groups(
    values: NDArray[np.float64], y: NDArray[np.float64], half: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """For each row the mean label of its group, learnt on the other half of the units: many small groups prove nothing.

    Groups are the values themselves, or a hundred bins of equal count; missing is a group.
    """
    present = values[~np.isnan(values)]
    edges = np.unique(present if len(np.unique(present)) <= BINS else np.quantile(present, np.linspace(0, 1, BINS)))
    codes = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    means = np.full(len(values), y.mean())
    for learn, tell in ((half, ~half), (~half, half)):
        count = np.bincount(codes[learn], minlength=len(edges) + 2)
        total = np.bincount(codes[learn], weights=y[learn], minlength=len(edges) + 2)
        known = np.where(count > 0, total / np.maximum(count, 1), y.mean())
        means[tell] = known[codes[tell]]
    return means


def _auc(values: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    positive = int(y.sum())
    ranks = rankdata(values)[y == 1].sum()
    area = (ranks - positive * (positive + 1) / 2) / (positive * (len(y) - positive))
    return float(max(area, 1 - area))


def _correlation(values: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(values) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(abs(np.corrcoef(values, rankdata(y))[0, 1]))
