"""What the service tells Prometheus. Nobody who is scored is ever a label; `owner` is who answers."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..bundle.read import Reason
from .problems import Problem

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # seconds
ROUTES = ("/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback")
SHED = ("aside", "concurrency", "database", "late", "records", "slow", "time")
UNLOADED = (*get_args(Reason), "pointer", "unreadable")
VERDICTS = ("accepted", "edited", "overridden")


class Metrics:
    """One set for each application, so that tests do not share counters."""

    def __init__(self) -> None:
        self.registry = kept = CollectorRegistry()
        self.requests = Counter("ml_requests", "Requests answered", ["route", "status"], registry=kept)
        self.duration = Histogram(
            "ml_request_duration_seconds", "Time to answer", ["route"], buckets=BUCKETS, registry=kept
        )
        self.shed = Counter("ml_requests_shed", "Requests refused to stay able to answer", ["reason"], registry=kept)
        self.predictions = Counter("ml_predictions", "Rows scored", ["model_version", "arm", "decision"], registry=kept)
        self.outcomes = Counter(
            "ml_outcomes_received", "Outcomes taken, by what became of them", ["result"], registry=kept
        )
        self.feedback = Counter("ml_decision_feedback", "What people did with decisions", ["verdict"], registry=kept)
        self.model = Gauge(
            "ml_model_info", "1 for the model that answers", ["version", "commit", "contract", "owner"], registry=kept
        )
        self.load_failures = Counter("ml_model_load_failures", "Bundles refused", ["reason"], registry=kept)
        self.mode = Gauge("ml_mode_info", "1 for the mode that holds", ["mode"], registry=kept)
        self.pending = Gauge("ml_events_pending", "Answers not yet in the database", registry=kept)
        self.pending_bytes = Gauge("ml_events_pending_bytes", "Disk that they take", registry=kept)
        self.pending_limit = Gauge(
            "ml_events_pending_limit_bytes", "Disk that they may take before predictions are refused", registry=kept
        )
        self.lost = Counter("ml_events_lost", "Answers that no database will hold; must stay 0", registry=kept)
        self.repeated = Counter(
            "ml_predictions_repeated",
            "Predictions under an id that was known: answered, not recorded again",
            registry=kept,
        )
        self.store_up = Gauge("ml_store_up", "1 while the database of records answers", registry=kept)
        self._bound: dict[Any, Any] = {}
        self._from_zero()

    def _from_zero(self) -> None:
        """Show what is counted before it happens: Prometheus sees no increase in a series that begins at 1."""
        for route in ROUTES:
            self.duration.labels(route)
            for status in ("200", "500", "503"):
                self.requests.labels(route, status)
        for counter, known in ((self.shed, SHED), (self.load_failures, UNLOADED), (self.feedback, VERDICTS)):
            for label in known:
                counter.labels(label)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request. `labels()` costs twice an increment, so what it gives is kept."""
        key = (route, status)
        if (bound := self._bound.get(key)) is None:
            bound = self._bound[key] = (self.requests.labels(route, str(status)), self.duration.labels(route))
        bound[0].inc()
        bound[1].observe(seconds)

    def refused(self, problem: Problem) -> None:
        """Count what was shed."""
        if problem.shed:
            self.shed.labels(problem.shed).inc()

    def predicted(self, version: str, arm: str, decisions: Iterable[Any]) -> None:
        """Count rows by their decision, where decisions are words."""
        for decision, count in Tally(d if isinstance(d, str) else "number" for d in decisions).items():
            key = (version, arm, decision)
            if (bound := self._bound.get(key)) is None:
                bound = self._bound[key] = self.predictions.labels(*key)
            bound.inc(count)
