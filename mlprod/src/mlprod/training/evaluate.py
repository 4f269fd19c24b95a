"""How good, how sure, for whom, and what it is worth."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Estimate
from ..bundle.runtime import Scores
from ..contract.schema import ContractSchema, Task
from .dataset import Dataset
from .evaluation_metrics import BOTH, BY_TASK, Weights

FEWEST_BEYOND = 10  # replicates beyond an end of an interval, for that end to be more than luck
REPLICATES = 400
SMALLEST_SLICE = 50
WHOLE = ""


@dataclass(frozen=True)
class Evaluation:
    """Figures by (metric, slice); slice "" is everything, else "field=value".

    Replicates allow paired comparison.
    """

    figures: dict[tuple[str, str], Estimate]
    replicates: dict[tuple[str, str], NDArray[np.float64]]

    def whole(self) -> dict[str, Estimate]:
        return {metric: figure for (metric, part), figure in self.figures.items() if part == WHOLE}

    def difference(self, other: "Evaluation") -> dict[tuple[str, str], Estimate]:
        """This less the other, on the same rows and the same replicates."""
        shared = [key for key in self.figures if key in other.figures]
        values = {key: self.figures[key].value - other.figures[key].value for key in shared}
        drawn = {key: self.replicates[key] - other.replicates[key] for key in shared}
        return _estimates(values, drawn, {key: self.figures[key].n for key in shared})


def evaluate(
    terms: ContractSchema, task: Task, rows: Dataset, scores: Scores, money: NDArray[np.float64]
) -> Evaluation:
    """Metrics over all rows and, for the value, over each slice of at least 50 rows.

    Intervals are percentiles of a bootstrap over units (Efron 1979; units, since rows of one unit
    are not independent): 95 % for everything, and 95 % for all slices together (Bonferroni), or one
    of many would look worse by chance.
    """
    parts = {WHOLE: np.ones(len(rows), dtype=bool)} | slices(terms, rows)
    wanted = {(name, part): metric for part in parts for name, metric in BOTH.items()}
    wanted |= {(name, WHOLE): metric for name, metric in BY_TASK[task].items()}

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


def paired(rows: Dataset, difference: NDArray[np.float64], tail: float = 0.025) -> Estimate:
    """Mean of a difference [rows] and its interval, with a chance of `tail` beyond either end: the
    same bootstrap over units, or, for tails finer than its replicates can show, the normal law with
    the bootstrap's spread.
    """
    drawn = [np.average(difference, weights=weights) for weights in _draws(rows) if weights.any()]
    low, high = np.quantile(drawn, [tail, 1 - tail])
    mean = float(difference.mean())
    if tail * len(drawn) < FEWEST_BEYOND:
        reach = NormalDist().inv_cdf(1 - tail) * float(np.std(drawn))
        low, high = mean - reach, mean + reach
    return Estimate(value=mean, low=float(low), high=float(high), n=len(rows))


def slices(terms: ContractSchema, rows: Dataset) -> dict[str, NDArray[np.bool_]]:
    """Masks [rows] of the slices with enough rows, by "field=value"; a boolean is true or false."""
    masks = {}
    for name in terms.slices:
        values = rows.columns[name]
        boolean = terms.fields[name].kind == "boolean"
        for value in (0.0, 1.0) if boolean else sorted(set(values.tolist()) - {None}):
            mask = values == value
            if mask.sum() >= SMALLEST_SLICE:
                masks[f"{name}={str(bool(value)).lower() if boolean else value}"] = mask
    return masks


def _draws(rows: Dataset) -> Iterator[Weights]:
    """How often each row is drawn in each replicate; all rows of a unit together."""
    units, codes = np.unique(rows.units.astype(str), return_inverse=True)
    random = np.random.Generator(np.random.Philox(0))
    for _ in range(REPLICATES):
        yield random.poisson(1, len(units))[codes].astype(np.float64)


def _estimates(
    values: dict[tuple[str, str], float],
    drawn: dict[tuple[str, str], NDArray[np.float64]],
    counts: dict[tuple[str, str], int],
) -> dict[tuple[str, str], Estimate]:
    parts = max(len({part for _, part in values} - {WHOLE}), 1)
    result = {}
    for key, value in values.items():
        tail = 0.025 if key[1] == WHOLE else 0.025 / parts
        low, high = np.nanquantile(drawn[key], [tail, 1 - tail])
        result[key] = Estimate(
            value=round(value, 9),
            low=round(float(low), 9),
            high=round(float(high), 9),
            n=counts[key],
        )
    return result
