"""Prometheus metrics of the service.

Labels never identify a scored person. `owner` is the accountable person.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..bundle.errors import Reason
from ..bundle.manifest import Manifest
from ..contract.classes import class_names
from ..settings import ZERO_SECONDS
from .feature_metrics import FeatureCollector
from .label_words import LabelValues
from .own_metrics import OwnMetrics
from .problems import ProblemError
from .zero_init_counter import ZeroInitCounter, ZeroPeriod

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # seconds
ROUTES = ("/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback")
STATUSES = ("200", "400", "401", "403", "409", "413", "422", "500", "503")  # of the routes
RESULTS = ("accepted", "repeated", "corrected", "unknown")  # of received outcomes
SHED = (
    "aside",
    "concurrency",
    "connections",
    "database",
    "keys",
    "late",
    "records",
    "slow",
    "time",
)
UNLOADED = (*get_args(Reason), "pointer", "unreadable")


class Metrics:
    """Metrics of one application. Each application has its own, so that tests share no counters."""

    def __init__(self, zero_seconds: float = ZERO_SECONDS, own: OwnMetrics | None = None) -> None:
        """`own`: metrics of the project, shown at the end."""
        self.own = own
        self.registry = registry = CollectorRegistry()
        self._zeros, self._counters = ZeroPeriod(zero_seconds), list[ZeroInitCounter]()
        self.requests = self.new_counter("ml_requests", "Requests answered", "route", "status")
        self.duration = Histogram(
            "ml_request_duration_seconds",
            "Time to answer",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.shed = Counter(
            "ml_requests_shed",
            "Requests refused to shed load",
            ["reason"],
            registry=registry,
        )
        self.features = FeatureCollector(registry, self._zeros)
        self.decisions = LabelValues()
        self.predictions = self.new_counter(
            "ml_predictions", "Rows scored", "model_version", "arm", "decision"
        )
        self.violations = self.new_counter(
            "ml_contract_violations", "Values that break the contract", "field", "rule"
        )
        self.outcomes = Counter(
            "ml_outcomes_received",
            "Outcomes received, by result",
            ["result"],
            registry=registry,
        )
        facts = ["version", "commit", "contract", "owner", "kind", "reference"]
        self.model = Gauge("ml_model_info", "1 for the model in service", facts, registry=registry)
        self.trained = Gauge(
            "ml_model_trained_timestamp_seconds",
            "Time of the training",
            ["version"],
            registry=registry,
        )
        self.data_until = Gauge(
            "ml_model_data_until_timestamp_seconds",
            "Time of the newest training row",
            ["version"],
            registry=registry,
        )
        figure = ["version", "metric", "bound"]
        self.evaluations = Gauge(
            "ml_model_evaluation", "Figures measured on the test rows", figure, registry=registry
        )
        self.load_failures = Counter(
            "ml_model_load_failures", "Bundles refused", ["reason"], registry=registry
        )
        self.rollback_unsaved = Gauge(
            "ml_rollback_unsaved",
            "1 while a local rollback is active that the registry does not know",
            registry=registry,
        )
        self.mode = Gauge("ml_mode_info", "1 for the active mode", ["mode"], registry=registry)
        self.mode_unsaved = Gauge(
            "ml_mode_unsaved",
            "1 while a local mode switch is not in the database",
            registry=registry,
        )
        self.mode_file_invalid = Gauge(
            "ml_mode_file_invalid",
            "1 while the mode file is invalid, which counts as shadow",
            registry=registry,
        )
        self.pending = Gauge(
            "ml_record_backlog_events", "Answers not yet in the database", registry=registry
        )
        self.pending_bytes = Gauge(
            "ml_record_backlog_bytes", "Disk space of the backlog", registry=registry
        )
        self.pending_limit = Gauge(
            "ml_record_backlog_limit_bytes",
            "Disk space of the backlog at which predictions are refused",
            registry=registry,
        )
        self.lost = Counter(
            "ml_records_lost",
            "Answers that will never reach the database; must stay 0",
            registry=registry,
        )
        self.stored = Counter(
            "ml_predictions_stored", "Predictions written to the database", registry=registry
        )
        self.repeated = self.new_counter(
            "ml_predictions_duplicate", "Predictions of the same row with a known id"
        )
        self.conflicting = self.new_counter(
            "ml_predictions_conflicting",
            "Predictions whose id was already stored with another row",
        )
        self.store_up = Gauge(
            "ml_record_store_up", "1 while the database of records is available", registry=registry
        )
        self.keys_valid = Gauge(
            "ml_keys_valid", "1 while the file of keys is readable and valid", registry=registry
        )
        self.event_log_writable = Gauge(
            "ml_event_log_writable", "1 while the event log is writable", registry=registry
        )
        self._durations: dict[str, Histogram] = {}
        self._from_zero()

    def _from_zero(self) -> None:
        """Show known series at 0: Prometheus sees no increase in a series that begins at 1."""
        for route in ROUTES:
            self.duration.labels(route)
            for status in STATUSES:
                self.requests.begin(route, status)
        for counter, known in (
            (self.shed, SHED),
            (self.load_failures, UNLOADED),
            (self.outcomes, RESULTS),
        ):
            for label in known:
                counter.labels(label)
        for gauge in (self.keys_valid, self.event_log_writable):  # until a check fails
            gauge.set(1)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request. The result of `labels()` is cached: it costs twice an increment."""
        self.requests.add(route, str(status))
        if (duration := self._durations.get(route)) is None:
            duration = self._durations[route] = self.duration.labels(route)
        duration.observe(seconds)

    def count_shed(self, problem: ProblemError) -> None:
        """Count a request that was refused to shed load."""
        if problem.shed:
            self.shed.labels(problem.shed).inc()

    def count_predictions(self, version: str, decided: Iterable[tuple[str, Any]]) -> None:
        """Count rows by arm and decision; a decision that is not a text counts as "number"."""
        counts: dict[tuple[str, str], int] = {}
        for arm, decision in decided:
            key = (arm, decision if isinstance(decision, str) else "number")
            counts[key] = counts.get(key, 0) + 1
        for (arm, name), count in counts.items():
            self.predictions.add(version, arm, self.decisions.label(name), amount=count)

    def show_model(
        self,
        version: str,
        commit: str,
        reference: str,
        manifest: Manifest,
        times: Mapping[str, float],
    ) -> None:
        """Show the model in service.

        `times`: "trained" and "data_until" in seconds since 1970, where known.
        """
        for gauge in (self.model, self.trained, self.data_until, self.evaluations):
            gauge.clear()
        self.decisions.reserve(class_names(manifest.classes))
        contract, kind = manifest.digests["contract"][:12], manifest.kind
        self.model.labels(version, commit, contract, manifest.accountable, kind, reference).set(1)
        for gauge, name in ((self.trained, "trained"), (self.data_until, "data_until")):
            if name in times:
                gauge.labels(version).set(times[name])
        for metric, figure in manifest.metrics.items():
            for bound in ("value", "low", "high"):
                self.evaluations.labels(version, metric, bound).set(getattr(figure, bound))

    def exposition(self, *, ending: bool = False) -> bytes:
        """Return the text of /metrics. `ending`: the process ends, so no count is held back."""
        self._zeros.ending = ending
        for counter in self._counters:
            counter.release()
        text = generate_latest(self.registry)
        for counter in self._counters:
            counter.mark_scraped()
        return text + self.own.exposition() if self.own else text

    def new_counter(self, name: str, meaning: str, *labels: str) -> ZeroInitCounter:
        """Create a counter with labels unknown in advance, or one that counts before a scrape."""
        self._counters.append(
            counter := ZeroInitCounter(name, meaning, labels, self.registry, self._zeros)
        )
        return counter
