"""How well each field tells the label alone: a field that does is known only after the fact."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..contract.encoding import encode
from ..contract.terms import Fields, Task
from .rows import Rows
from .split import shares

BINS = 100  # groups that a number is cut into, to see what it tells


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
