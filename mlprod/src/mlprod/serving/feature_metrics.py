"""How the fields and the scores are distributed in what is asked: counted for Prometheus, which
computes drift from it.

A request pays for a copy into a buffer; the counting is done for thousands of rows at once, or when
Prometheus asks.
"""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..bundle.loader import Bundle
from ..bundle.reference_profile import Distribution
from ..contract.schema import Field
from .zero_init_counter import ZeroPeriod

BUFFER = 4_096  # rows; folding them takes a millisecond or two
KEPT = 3  # bundles whose counts go on being told: a rollout has two
SCORE = "(score)"  # no field can be called so


class FeatureCollector(Collector):
    """The counts of the bundles that answered here, newest last. Safe for threads."""

    def __init__(self, registry: CollectorRegistry, zeros: ZeroPeriod) -> None:
        self._counts: dict[str, LiveFeatureCounts] = {}
        self._zeros = zeros
        registry.register(self)

    def of(self, bundle: Bundle) -> "LiveFeatureCounts":
        """Where to count what `bundle` scores: the same again after a rollback."""
        result = self._counts.pop(bundle.digest, None) or LiveFeatureCounts(bundle, self._zeros)
        stored = [*self._counts.items(), (bundle.digest, result)]
        self._counts = dict(stored[-KEPT:])  # one assignment, since a scrape may be on its way
        return result

    def collect(self) -> Iterable[Metric]:
        by_le, by_field = ["field", "reference", "le"], ["field", "reference"]
        buckets = CounterMetricFamily(
            "ml_feature_bucket", "Values up to le, in what was scored", labels=by_le
        )
        missing = CounterMetricFamily(
            "ml_feature_missing", "Rows without this field", labels=by_field
        )
        unknown = CounterMetricFamily(
            "ml_feature_unknown", "Rows with a word unknown to the model", labels=by_field
        )
        share = GaugeMetricFamily(
            "ml_feature_reference_ratio", "Share up to le where the model learnt", labels=by_le
        )
        rows = GaugeMetricFamily(
            "ml_feature_reference_rows", "Values that this share is of", labels=by_field
        )
        absent = GaugeMetricFamily(
            "ml_feature_reference_missing_ratio", "Share missing then", labels=by_field
        )
        strange = GaugeMetricFamily(
            "ml_feature_reference_unknown_ratio", "Share unknown then", labels=by_field
        )
        for counts in tuple(self._counts.values()):
            reference = counts.reference
            for place, (received, values, gone) in enumerate(counts.told()):
                name, reached = received.name, np.cumsum(values).tolist()
                for le, count, expected in zip(
                    counts.edges[place], reached, received.cumulative, strict=True
                ):
                    buckets.add_metric([name, reference, le], count)
                    share.add_metric([name, reference, le], expected)
                rows.add_metric([name, reference], round(received.rows * (1 - received.missing)))
                if name != SCORE:
                    missing.add_metric([name, reference], gone)
                    absent.add_metric([name, reference], received.missing)
                if received.edges and isinstance(received.edges[0], str):
                    unknown.add_metric([name, reference], values[-1])
                    strange.add_metric([name, reference], received.shares[-1])
        return (buckets, missing, unknown, share, rows, absent, strange)


class LiveFeatureCounts:
    """What one bundle scored: for each field and the score how many values lie in each bin of its
    reference.
    """

    def __init__(self, bundle: Bundle, zeros: ZeroPeriod) -> None:
        self.reference = bundle.digest[:12]
        fields, reference = bundle.fields, bundle.reference
        score = reference.score.model_copy(update={"name": SCORE})
        self._told: list[Distribution] = [
            *(reference.fields[field.name] for field in fields),
            score,
        ]
        self.edges = [edge_names(reported) for reported in self._told]
        self._bins = [_bins(field) for field in (*fields, Field(SCORE, "number"))]
        self._values = [np.zeros(len(received.shares), dtype=np.int64) for received in self._told]
        self._missing = np.zeros(len(self._told), dtype=np.int64)
        self._rows = np.empty((BUFFER, len(self._told)), dtype=np.float32)
        self._filled, self._lock = 0, threading.Lock()
        self._zeros, self._counting = zeros, False
        self._first_shown: float | None = None

    def add(self, matrix: NDArray[np.float32], scores: Sequence[float]) -> None:
        """Rows as they were encoded [rows, fields], at most BUFFER of them, and their scores
        [rows].
        """
        with self._lock:
            end = self._filled + len(matrix)
            if end > BUFFER:
                self._fold()
                end = len(matrix)
            self._rows[self._filled : end, :-1] = matrix
            self._rows[self._filled : end, -1] = scores
            self._filled = end

    def told(self) -> list[tuple[Distribution, NDArray[np.int64], int]]:
        """For each field and the score: its reference, rows by bin, rows without.

        All zero until the zero period of new series is over.
        """
        with self._lock:
            self._fold()
            self._counting = counting = self._counting or self._zeros.over(self._first_shown)
            if self._first_shown is None:
                self._first_shown = self._zeros.now()
            return [
                (
                    received,
                    values.copy() if counting else np.zeros_like(values),
                    int(gone) if counting else 0,
                )
                for received, values, gone in zip(
                    self._told, self._values, self._missing, strict=True
                )
            ]

    def _fold(self) -> None:
        rows, self._filled = self._rows[: self._filled], 0
        for place, received in enumerate(self._told):
            column = rows[:, place]
            present = column[~np.isnan(column)]
            if self._bins[
                place
            ]:  # compared as the model saw them, or a value on an edge could lie beyond it
                codes = np.searchsorted(
                    np.asarray(received.edges, dtype=np.float32), present, side="left"
                )
            else:
                codes = present.astype(np.intp)
            self._values[place] += np.bincount(codes, minlength=len(received.shares))
            self._missing[place] += len(column) - len(present)


def edge_names(told: Distribution) -> list[str]:
    """How Prometheus calls the bins: by the edge where they end, or by the word with its number,
    which sorts them.
    """
    parts = [
        f"{code} {edge}" if isinstance(edge, str) else repr(edge)
        for code, edge in enumerate(told.edges)
    ]
    return [*parts, "+Inf"]


def _bins(field: Field) -> bool:
    return field.kind not in ("category", "text")
