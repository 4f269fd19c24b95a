"""Evaluation of scores: metrics and payoff, with intervals, overall and by slice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Estimate
from ..bundle.runtime import Scores
from ..contract.schema import ContractSchema, Task
from .class_metrics import Weights, precision_of, recall_of, row_figures
from .dataset import Dataset
from .evaluation_metrics import BOTH, BY_TASK

# Replicates beyond an end of an interval that make this end more than chance.
MIN_TAIL_REPLICATES = 10
REPLICATES = 400
MIN_SLICE_ROWS = 50
OVERALL = ""


@dataclass(frozen=True)
class Evaluation:
    """Figures by (metric, slice); slice "" is all rows, any other is "field=value".

    The bootstrap replicates allow a paired comparison.
    """

    figures: dict[tuple[str, str], Estimate]
    replicates: dict[tuple[str, str], NDArray[np.float64]]

    def overall(self) -> dict[str, Estimate]:
        """Return the figures over all rows, by metric."""
        return {
            metric: figure for (metric, part), figure in self.figures.items() if part == OVERALL
        }

    def difference(self, other: "Evaluation") -> dict[tuple[str, str], Estimate]:
        """Return this minus the other, on the same rows and the same replicates."""
        shared = [key for key in self.figures if key in other.figures]
        values = {key: self.figures[key].value - other.figures[key].value for key in shared}
        drawn = {key: self.replicates[key] - other.replicates[key] for key in shared}
        return _estimates(values, drawn, {key: self.figures[key].n for key in shared})


def evaluate(
    terms: ContractSchema, task: Task, rows: Dataset, scores: Scores, money: NDArray[np.float64]
) -> Evaluation:
    """Compute the metrics over all rows, and the value over each slice of at least 50 rows too.

    `money` is the payoff of each row [rows]. Intervals are percentiles of a bootstrap over units
    (Efron 1979), because rows of one unit are not independent. They cover 95 % for all rows, and
    95 % for all slices jointly (Bonferroni). Without this correction one of many slices would look
    worse by chance. For classes there are also precision and recall of each class, under the names
    of `class_parts`.
    """
    parts = {OVERALL: np.ones(len(rows), dtype=bool)} | slice_masks(terms, rows)
    wanted = {(name, part): metric for part in parts for name, metric in BOTH.items()}
    wanted |= {(name, OVERALL): metric for name, metric in BY_TASK[task].items()}
    if task == "multiclass":
        scores = row_figures(rows.y, scores)
        of_classes = class_parts(terms)
        parts |= dict.fromkeys(of_classes, parts[OVERALL])
        for place, part in enumerate(of_classes):
            wanted["precision", part] = precision_of(place)
            wanted["recall", part] = recall_of(place)

    def measure(weights: Weights) -> dict[tuple[str, str], float]:
        return {
            key: metric(rows.y[mask], scores[mask], money[mask], weights[mask])
            if (weights[(mask := parts[key[1]])] > 0).any()
            else float("nan")
            for key, metric in wanted.items()
        }

    drawn = [measure(weights) for weights in _draws(rows)]
    return Evaluation(
        _estimates(
            values := measure(np.ones(len(rows))),
            replicates := {key: np.array([draw[key] for draw in drawn]) for key in values},
            {key: int(parts[key[1]].sum()) for key in values},
        ),
        replicates,
    )


def class_parts(terms: ContractSchema) -> list[str]:
    """Return the names of the classes among the slices: "label=class", in the order of CLASSES."""
    return [f"{terms.label}={item}" for item in terms.classes]


def paired_difference(
    rows: Dataset, difference: NDArray[np.float64], tail: float = 0.025
) -> Estimate:
    """Return the mean of a difference [rows] and its interval.

    The probability beyond either end is `tail`. The interval comes from the bootstrap over units.
    For a tail finer than its replicates can show it is a normal interval with the bootstrap's
    standard deviation.
    """
    drawn = [np.average(difference, weights=weights) for weights in _draws(rows) if weights.any()]
    low, high = np.quantile(drawn, [tail, 1 - tail])
    mean = float(difference.mean())
    if tail * len(drawn) < MIN_TAIL_REPLICATES:
        reach = NormalDist().inv_cdf(1 - tail) * float(np.std(drawn))
        low, high = mean - reach, mean + reach
    return Estimate(value=mean, low=float(low), high=float(high), n=len(rows))


def slice_masks(terms: ContractSchema, rows: Dataset) -> dict[str, NDArray[np.bool_]]:
    """Return the masks [rows] of the slices with enough rows, by "field=value".

    The value of a boolean is true or false.
    """
    masks = {}
    for name in terms.slices:
        values = rows.columns[name]
        boolean = terms.fields[name].kind == "boolean"
        for value in (0.0, 1.0) if boolean else sorted(set(values.tolist()) - {None}):
            mask = values == value
            if mask.sum() >= MIN_SLICE_ROWS:
                masks[f"{name}={str(bool(value)).lower() if boolean else value}"] = mask
    return masks


def _draws(rows: Dataset) -> Iterator[Weights]:
    """Yield the weight of each row in each replicate; all rows of a unit have the same weight."""
    units, codes = np.unique(rows.units.astype(str), return_inverse=True)
    random = np.random.Generator(np.random.Philox(0))
    for _ in range(REPLICATES):
        yield random.poisson(1, len(units))[codes].astype(np.float64)


def _estimates(
    values: dict[tuple[str, str], float],
    drawn: dict[tuple[str, str], NDArray[np.float64]],
    counts: dict[tuple[str, str], int],
) -> dict[tuple[str, str], Estimate]:
    parts = Counter(name for name, part in values if part != OVERALL)
    result = {}
    for key, value in values.items():
        tail = 0.025 if key[1] == OVERALL else 0.025 / parts[key[0]]
        low, high = np.nanquantile(drawn[key], [tail, 1 - tail])
        result[key] = Estimate(
            value=round(value, 9),
            low=round(float(low), 9),
            high=round(float(high), 9),
            n=counts[key],
        )
    return result
