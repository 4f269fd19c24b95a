"""Rows compared with what a bundle learnt from, by their counts in each bin."""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

from ..bundle.reference_profile import Distribution, Reference
from .distance import drift_threshold, ks_statistic, population_stability_index
from .drift_counts import SCORE, Counts, FeatureCounts

Verdict = Literal["drifts", "steady", "too few rows", "not recorded", "not compared"]
FEWEST_ROWS = 100  # from fewer, nothing smaller than a fifth of all rows can be told from chance


@dataclass(frozen=True)
class Drift:
    """One field.

    `gap` is the largest distance of cumulative shares and `at` the edge where it lies; `index` the
    population stability index. None where there is nothing to compare.
    """

    name: str
    verdict: Verdict
    counted: FeatureCounts | None
    reference: Distribution
    gap: float | None = None
    allowed: float | None = None
    index: float | None = None
    at: float | str | None = None

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each bin, as the reference has them: the last one above all edges, or of unknown
        words.
        """
        if self.counted is None:
            return ()
        ends = (0, *self.counted.cumulative, self.counted.present)
        return tuple((b - a) / max(self.counted.present, 1) for a, b in itertools.pairwise(ends))

    @property
    def missing(self) -> float | None:
        """Share of the rows without a value."""
        return (
            self.counted.missing / max(self.counted.missing + self.counted.present, 1)
            if self.counted
            else None
        )

    @property
    def learnt(self) -> int:
        """Present values that the reference was made of."""
        return round(self.reference.rows * (1 - self.reference.missing))

    @property
    def words(self) -> bool:
        return bool(self.reference.edges) and isinstance(self.reference.edges[0], str)

    @property
    def unknown(self) -> float | None:
        """Share of words that the model does not know; None for numbers."""
        return self.shares[-1] if self.words and self.counted else None

    @property
    def excess(self) -> float:
        """The gap in units of what is allowed; sorts the worst first."""
        return self.gap / self.allowed if self.gap is not None and self.allowed else -1.0


def compare(reference: Reference, counts: Counts) -> list[Drift]:
    """Each field of the reference and the score, the worst first; what was not counted is not
    recorded.
    """
    names = [*reference.fields, *([SCORE] if SCORE in counts else [])]
    result = [_compared(name, _described(reference, name), counts.get(name)) for name in names]
    return sorted(result, key=lambda item: -item.excess)


def _compared(name: str, reference: Distribution, counted: FeatureCounts | None) -> Drift:
    if counted is None:
        return Drift(name, "not recorded", None, reference)
    if not reference.edges:
        return Drift(name, "not compared", counted, reference)
    few: Verdict = "too few rows"
    bare = Drift(name, few, counted, reference)
    if not counted.present:
        return bare
    now = [item / counted.present for item in counted.cumulative]
    gap, allowed = (
        ks_statistic(now, reference.cumulative[: len(now)]),
        drift_threshold(counted.present, bare.learnt),
    )
    verdict: Verdict = (
        "drifts" if gap > allowed else "steady" if counted.present >= FEWEST_ROWS else few
    )
    place = max(range(len(now)), key=lambda k: abs(now[k] - reference.cumulative[k]))
    result = Drift(name, verdict, counted, reference, gap, allowed, at=reference.edges[place])
    return replace(result, index=population_stability_index(result.shares, reference.shares))


def _described(reference: Reference, name: str) -> Distribution:
    return reference.score if name == SCORE else reference.fields[name]
