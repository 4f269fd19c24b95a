"""Distributions of the fields and scores in requests, as counters from which Prometheus gets drift.

A request pays for a copy into a buffer. The rows are counted by thousands, or at a scrape.
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

BUFFER_ROWS = 4_096  # counting them takes a millisecond or two
MAX_BUNDLES = 3  # bundles whose counts stay in the metrics; a rollout has two
SCORE = "(score)"  # a field cannot have this name
CLASS = "(class)"  # the most probable class; a field cannot have this name either


class FeatureCollector(Collector):
    """Counts of the bundles that scored rows here, newest last. Safe for threads."""

    def __init__(self, registry: CollectorRegistry, zeros: ZeroPeriod) -> None:
        self._counts: dict[str, LiveFeatureCounts] = {}
        self._zeros = zeros
        registry.register(self)

    def counts_of(self, bundle: Bundle) -> "LiveFeatureCounts":
        """Return the counts of a bundle; the same ones again after a rollback."""
        result = self._counts.pop(bundle.digest, None) or LiveFeatureCounts(bundle, self._zeros)
        stored = [*self._counts.items(), (bundle.digest, result)]
        # one assignment, because a scrape may run at the same time
        self._counts = dict(stored[-MAX_BUNDLES:])
        return result

    def collect(self) -> Iterable[Metric]:
        by_le, by_field = ["field", "reference", "le"], ["field", "reference"]
        buckets = CounterMetricFamily(
            "ml_feature_bucket", "Values up to le in the scored rows", labels=by_le
        )
        missing = CounterMetricFamily(
            "ml_feature_missing", "Rows without this field", labels=by_field
        )
        unknown = CounterMetricFamily(
            "ml_feature_unknown", "Rows with a category unknown to the model", labels=by_field
        )
        share = GaugeMetricFamily(
            "ml_feature_reference_ratio", "Share up to le in the training rows", labels=by_le
        )
        rows = GaugeMetricFamily(
            "ml_feature_reference_rows", "Values in the training rows", labels=by_field
        )
        absent = GaugeMetricFamily(
            "ml_feature_reference_missing_ratio",
            "Share of training rows without this field",
            labels=by_field,
        )
        strange = GaugeMetricFamily(
            "ml_feature_reference_unknown_ratio",
            "Share of training rows with an unknown category",
            labels=by_field,
        )
        for counts in tuple(self._counts.values()):
            reference = counts.reference
            for place, (trained, values, without) in enumerate(counts.bin_counts()):
                name, cumulative = trained.name, np.cumsum(values).tolist()
                for le, count, expected in zip(
                    counts.edges[place], cumulative, trained.cumulative, strict=True
                ):
                    buckets.add_metric([name, reference, le], count)
                    share.add_metric([name, reference, le], expected)
                rows.add_metric([name, reference], round(trained.rows * (1 - trained.missing)))
                if name != SCORE:
                    missing.add_metric([name, reference], without)
                    absent.add_metric([name, reference], trained.missing)
                if trained.edges and isinstance(trained.edges[0], str):
                    unknown.add_metric([name, reference], values[-1])
                    strange.add_metric([name, reference], trained.shares[-1])
        return (buckets, missing, unknown, share, rows, absent, strange)


class LiveFeatureCounts:
    """Counts of the rows that one bundle scored: values by bin of the reference profile.

    There are counts for each field, for the score and, with classes, for the most probable class.
    """

    def __init__(self, bundle: Bundle, zeros: ZeroPeriod) -> None:
        self.reference = bundle.digest[:12]
        fields, reference = bundle.fields, bundle.reference
        self._trained: list[Distribution] = [
            *(reference.fields[field.name] for field in fields),
            reference.score.model_copy(update={"name": SCORE}),
        ]
        counted = [*fields, Field(SCORE, "number")]
        if reference.classes:
            self._trained.append(reference.classes.model_copy(update={"name": CLASS}))
            counted.append(Field(CLASS, "category"))
        self._fields = len(fields)
        self.edges = [bin_names(trained) for trained in self._trained]
        self._numeric = [_has_numeric_edges(field) for field in counted]
        self._values = [np.zeros(len(trained.shares), dtype=np.int64) for trained in self._trained]
        self._missing = np.zeros(len(self._trained), dtype=np.int64)
        self._rows = np.empty((BUFFER_ROWS, len(self._trained)), dtype=np.float32)
        self._filled, self._lock = 0, threading.Lock()
        self._zeros, self._counting = zeros, False
        self._first_shown: float | None = None

    def add(
        self, matrix: NDArray[np.float32], scores: Sequence[float], top: Sequence[float] = ()
    ) -> None:
        """Count encoded rows [rows, fields], at most BUFFER_ROWS, and their scores [rows].

        With classes, `top` has the position of the most probable one [rows].
        """
        with self._lock:
            end = self._filled + len(matrix)
            if end > BUFFER_ROWS:
                self._fold()
                end = len(matrix)
            rows = self._rows[self._filled : end]
            rows[:, : self._fields] = matrix
            rows[:, self._fields] = scores
            if top:
                rows[:, self._fields + 1] = top
            self._filled = end

    def bin_counts(self) -> list[tuple[Distribution, NDArray[np.int64], int]]:
        """Return for each field and the score: its reference, rows by bin, rows without a value.

        All counts are zero until the zero period of new series is over.
        """
        with self._lock:
            self._fold()
            self._counting = counting = self._counting or self._zeros.is_over(self._first_shown)
            if self._first_shown is None:
                self._first_shown = self._zeros.now()
            return [
                (
                    trained,
                    values.copy() if counting else np.zeros_like(values),
                    int(without) if counting else 0,
                )
                for trained, values, without in zip(
                    self._trained, self._values, self._missing, strict=True
                )
            ]

    def _fold(self) -> None:
        rows, self._filled = self._rows[: self._filled], 0
        for place, trained in enumerate(self._trained):
            column = rows[:, place]
            present = column[~np.isnan(column)]
            if self._numeric[place]:
                # Compared in float32, as the model sees them. Otherwise a value on an edge could
                # be in the next bin.
                codes = np.searchsorted(
                    np.asarray(trained.edges, dtype=np.float32), present, side="left"
                )
            else:
                codes = present.astype(np.intp)
            self._values[place] += np.bincount(codes, minlength=len(trained.shares))
            self._missing[place] += len(column) - len(present)


def bin_names(reference: Distribution) -> list[str]:
    """Return the names of the bins in Prometheus.

    A bin has the name of its upper edge, or of its category after a number that sorts them.
    """
    parts = [
        f"{code} {edge}" if isinstance(edge, str) else repr(edge)
        for code, edge in enumerate(reference.edges)
    ]
    return [*parts, "+Inf"]


def _has_numeric_edges(field: Field) -> bool:
    return field.kind not in ("category", "text")
