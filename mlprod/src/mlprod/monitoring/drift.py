"""Drift of each field: recent rows compared with a bundle's training data, by counts per bin."""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

from ..bundle.reference_profile import Distribution, Reference
from .distance import drift_threshold, ks_statistic, population_stability_index
from .drift_counts import CLASS, SCORE, Counts, FeatureCounts

DriftVerdict = Literal["drifts", "steady", "too few rows", "not recorded", "not compared"]
# Below this, only shifts above 20 % of the rows are distinguishable from chance.
MIN_DRIFT_ROWS = 100


@dataclass(frozen=True)
class Drift:
    """The drift of one field.

    `gap` is the largest distance between the cumulative shares, `at` the bin edge where it lies and
    `allowed` the limit. `index` is the population stability index. They are None if there is
    nothing to compare.
    """

    name: str
    verdict: DriftVerdict
    counted: FeatureCounts | None
    reference: Distribution
    gap: float | None = None
    allowed: float | None = None
    index: float | None = None
    at: float | str | None = None

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each bin; the last bin is above all edges, or holds unknown categories."""
        if self.counted is None:
            return ()
        ends = (0, *self.counted.cumulative, self.counted.present)
        return tuple((b - a) / max(self.counted.present, 1) for a, b in itertools.pairwise(ends))

    @property
    def missing(self) -> float | None:
        """The share of the rows without a value."""
        return (
            self.counted.missing / max(self.counted.missing + self.counted.present, 1)
            if self.counted
            else None
        )

    @property
    def reference_rows(self) -> int:
        """The number of present values in the training data."""
        return round(self.reference.rows * (1 - self.reference.missing))

    @property
    def is_category(self) -> bool:
        """Whether the bins are categories, not ranges of numbers."""
        return bool(self.reference.edges) and isinstance(self.reference.edges[0], str)

    @property
    def unknown(self) -> float | None:
        """The share of categories that the model does not know; None for numbers."""
        return self.shares[-1] if self.is_category and self.counted else None

    @property
    def excess(self) -> float:
        """The gap divided by the limit; sorts the largest drift first."""
        return self.gap / self.allowed if self.gap is not None and self.allowed else -1.0


def compare_distributions(reference: Reference, counts: Counts) -> list[Drift]:
    """Compare each field of the reference, score and class; the largest drift comes first.

    A field that was not counted gets the verdict "not recorded".
    """
    names = [*reference.fields, *(name for name in (SCORE, CLASS) if name in counts)]
    result = [_compared(name, _described(reference, name), counts.get(name)) for name in names]
    return sorted(result, key=lambda item: -item.excess)


def _compared(name: str, reference: Distribution, counted: FeatureCounts | None) -> Drift:
    if counted is None:
        return Drift(name, "not recorded", None, reference)
    if not reference.edges:
        return Drift(name, "not compared", counted, reference)
    few: DriftVerdict = "too few rows"
    bare = Drift(name, few, counted, reference)
    if not counted.present:
        return bare
    now = [item / counted.present for item in counted.cumulative]
    gap, allowed = (
        ks_statistic(now, reference.cumulative[: len(now)]),
        drift_threshold(counted.present, bare.reference_rows),
    )
    verdict: DriftVerdict = (
        "drifts" if gap > allowed else "steady" if counted.present >= MIN_DRIFT_ROWS else few
    )
    place = max(range(len(now)), key=lambda k: abs(now[k] - reference.cumulative[k]))
    result = Drift(name, verdict, counted, reference, gap, allowed, at=reference.edges[place])
    return replace(result, index=population_stability_index(result.shares, reference.shares))


def _described(reference: Reference, name: str) -> Distribution:
    if name == CLASS and reference.classes:
        return reference.classes
    return reference.score if name == SCORE else reference.fields[name]
