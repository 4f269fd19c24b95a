"""What the service tells Prometheus.

Nobody who is scored is ever a label; `owner` is who answers.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..bundle.errors import Reason
from ..bundle.manifest import Manifest
from ..settings import ZERO_SECONDS
from .feature_metrics import FeatureCollector
from .label_words import LabelWords
from .own_metrics import OwnMetrics
from .problems import ProblemError
from .zero_init_counter import ZeroInitCounter, ZeroPeriod

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # seconds
ROUTES = ("/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback")
STATUSES = ("200", "400", "401", "403", "409", "413", "422", "500", "503")  # that the routes answer
RESULTS = ("accepted", "repeated", "corrected", "unknown")  # of outcomes that were received
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
    """One set for each application, so that tests do not share counters."""

    def __init__(self, zero_seconds: float = ZERO_SECONDS, own: OwnMetrics | None = None) -> None:
        """`own`: metrics of the project, shown at the end."""
        self.own = own
        self.registry = stored = CollectorRegistry()
        self._zeros, self._counted = ZeroPeriod(zero_seconds), list[ZeroInitCounter]()
        self.requests = self.counted("ml_requests", "Requests answered", "route", "status")
        self.duration = Histogram(
            "ml_request_duration_seconds",
            "Time to answer",
            ["route"],
            buckets=BUCKETS,
            registry=stored,
        )
        self.shed = Counter(
            "ml_requests_shed",
            "Requests refused to stay able to answer",
            ["reason"],
            registry=stored,
        )
        self.fields = FeatureCollector(stored, self._zeros)
        self.decisions = LabelWords()
        self.predictions = self.counted(
            "ml_predictions", "Rows scored", "model_version", "arm", "decision"
        )
        self.violations = self.counted(
            "ml_contract_violations", "Places that break the contract", "field", "rule"
        )
        self.outcomes = Counter(
            "ml_outcomes_received",
            "Outcomes taken, by what became of them",
            ["result"],
            registry=stored,
        )
        received = ["version", "commit", "contract", "owner", "kind", "reference"]
        self.model = Gauge(
            "ml_model_info", "1 for the model that answers", received, registry=stored
        )
        self.trained = Gauge(
            "ml_model_trained_timestamp_seconds", "When it was", ["version"], registry=stored
        )
        self.data_until = Gauge(
            "ml_model_data_until_timestamp_seconds",
            "Time of the newest row it learnt from",
            ["version"],
            registry=stored,
        )
        figure = ["version", "metric", "bound"]
        self.figures = Gauge(
            "ml_model_evaluation", "What was measured on the test rows", figure, registry=stored
        )
        self.load_failures = Counter(
            "ml_model_load_failures", "Bundles refused", ["reason"], registry=stored
        )
        self.rollback_unsaved = Gauge(
            "ml_rollback_unsaved",
            "1 while a rollback made here answers, unknown to the registry",
            registry=stored,
        )
        self.mode = Gauge("ml_mode_info", "1 for the mode that holds", ["mode"], registry=stored)
        self.mode_unsaved = Gauge(
            "ml_mode_unsaved", "1 while a switch made here is not in the database", registry=stored
        )
        self.mode_file_invalid = Gauge(
            "ml_mode_file_invalid",
            "1 while the mode file cannot be understood, which counts as shadow",
            registry=stored,
        )
        self.pending = Gauge(
            "ml_record_backlog_events", "Answers not yet in the database", registry=stored
        )
        self.pending_bytes = Gauge(
            "ml_record_backlog_bytes", "Disk that they take", registry=stored
        )
        self.pending_limit = Gauge(
            "ml_record_backlog_limit_bytes",
            "Disk that they may take before predictions are refused",
            registry=stored,
        )
        self.lost = Counter(
            "ml_records_lost", "Answers that no database will hold; must stay 0", registry=stored
        )
        self.stored = Counter(
            "ml_predictions_stored", "Predictions written to the database", registry=stored
        )
        self.repeated = self.counted(
            "ml_predictions_duplicate", "Predictions of the same row under a known id"
        )
        self.conflicting = self.counted(
            "ml_predictions_conflicting",
            "Predictions under an id that is recorded with another row, when they were stored",
        )
        self.store_up = Gauge(
            "ml_record_store_up", "1 while the database of records answers", registry=stored
        )
        self.keys_valid = Gauge(
            "ml_keys_valid", "1 while the file of keys can be read and used", registry=stored
        )
        self.event_log_writable = Gauge(
            "ml_event_log_writable", "1 while the event log takes writes", registry=stored
        )
        self._durations: dict[str, Histogram] = {}
        self._from_zero()

    def _from_zero(self) -> None:
        """Show what is counted before it happens: Prometheus sees no increase in a series that
        begins at 1.
        """
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
        for gauge in (self.keys_valid, self.event_log_writable):  # until somebody finds otherwise
            gauge.set(1)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request. `labels()` costs twice an increment, so what it gives is kept."""
        self.requests.add(route, str(status))
        if (duration := self._durations.get(route)) is None:
            duration = self._durations[route] = self.duration.labels(route)
        duration.observe(seconds)

    def refused(self, problem: ProblemError) -> None:
        """Count what was shed."""
        if problem.shed:
            self.shed.labels(problem.shed).inc()

    def predicted(self, version: str, decided: Iterable[tuple[str, Any]]) -> None:
        """Count rows by their arm and decision, where decisions are words."""
        counts: dict[tuple[str, str], int] = {}
        for arm, decision in decided:
            key = (arm, decision if isinstance(decision, str) else "number")
            counts[key] = counts.get(key, 0) + 1
        for (arm, word), count in counts.items():
            self.predictions.add(version, arm, self.decisions.label(word), amount=count)

    def answering(
        self,
        version: str,
        commit: str,
        reference: str,
        manifest: Manifest,
        times: Mapping[str, float],
    ) -> None:
        """Tell what answers from now on.

        `times`: "trained" and "data_until", seconds since 1970, where known.
        """
        for gauge in (self.model, self.trained, self.data_until, self.figures):
            gauge.clear()
        contract, kind = manifest.digests["contract"][:12], manifest.kind
        self.model.labels(version, commit, contract, manifest.accountable, kind, reference).set(1)
        for gauge, name in ((self.trained, "trained"), (self.data_until, "data_until")):
            if name in times:
                gauge.labels(version).set(times[name])
        for metric, figure in manifest.metrics.items():
            for bound in ("value", "low", "high"):
                self.figures.labels(version, metric, bound).set(getattr(figure, bound))

    def exposition(self, *, ending: bool = False) -> bytes:
        """The text of /metrics. `ending`: this process ends, so nothing is held back any longer."""
        self._zeros.ending = ending
        for counter in self._counted:
            counter.release()
        text = generate_latest(self.registry)
        for counter in self._counted:
            counter.shown()
        return text + self.own.exposition() if self.own else text

    def counted(self, name: str, meaning: str, *labels: str) -> ZeroInitCounter:
        """A counter whose labels are not known beforehand, or which may count before it is first
        scraped.
        """
        self._counted.append(
            counter := ZeroInitCounter(name, meaning, labels, self.registry, self._zeros)
        )
        return counter
