"""Prometheus metrics of outcomes, quality, payoff and feedback.

No figure is about one person.
"""

import math
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import Gauge, Histogram

from ..bundle.manifest import Manifest
from ..contract.classes import class_names, classes_by_name
from ..contract.schema import ContractSchema
from ..records.class_figures import compute_class_figures
from ..records.events import CHAMPION
from ..records.outcome_stats import OTHER, VERDICTS, OutcomeFigures, Payoff, compute_figures
from .label_words import LabelValues
from .logs import log
from .metrics import Metrics
from .model_loader import ModelLoader

if TYPE_CHECKING:
    from ..records.store import Store
    from ..records.unprocessed_outcomes import (
        OutcomeRow,
        RecordedPrediction,
        UncountedFeedback,
        UncountedRecords,
    )

DAY = 86_400
DELAYS = (60, 3_600, DAY, *(days * DAY for days in (3, 7, 14, 28, 56, 112)))  # seconds
HANDLING_SECONDS = (5, 15, 30, 60, 120, 300, 600, 1_800, 3_600)  # seconds
PEOPLE_SECONDS = 15
PEOPLE_PAUSE_FACTOR = 20  # counting people takes at most 1/20 of the time
CORRECT, INCORRECT = "correct", "incorrect"  # outcomes of slices of a model with classes
MAX_COUNT_SECONDS = 0.5  # of one count, so that requests get the processor


class OutcomeMetrics:
    """Counts outcomes and feedback of the records. Use it on one thread only."""

    def __init__(
        self, terms: ContractSchema, payoff: Payoff, models: ModelLoader, metrics: Metrics
    ) -> None:
        self.payoff, self.models = payoff, models
        self._slices = [terms.fields[name] for name in terms.slices if name not in terms.personal]
        self._reasons, self._decisions = LabelValues(), metrics.decisions
        self._version, self._failed, self._people_at = "", False, -math.inf
        self._claims: UncountedRecords | None = None
        version, registry, counted = ("model_version", "arm"), metrics.registry, metrics.new_counter
        self.outcomes = counted(
            "ml_outcomes", "Outcomes by decision", *version, "mode", "decision", "outcome"
        )
        self.errors = counted(
            "ml_outcome_squared_error", "Sum of (score - outcome) squared", *version
        )
        self.rows = counted("ml_calibration_rows", "Outcomes by bin of the score", *version, "le")
        self.scores = counted("ml_calibration_scores", "Sum of the scores in a bin", *version, "le")
        self.labels = counted(
            "ml_calibration_outcomes", "Sum of the outcomes in a bin", *version, "le"
        )
        self.correct = counted(
            "ml_outcome_correct", "Outcomes whose most probable class occurred", *version, "outcome"
        )
        self.log_loss = counted("ml_outcome_log_loss", "Sum of the log losses of classes", *version)
        self.value = counted("ml_payoff", "Payoff by payoff()", *version, "mode", "direction")
        self.sliced = counted(
            "ml_slice_outcomes",
            "Outcomes by slice",
            *version,
            "mode",
            "slice",
            "decision",
            "outcome",
        )
        self.sliced_value = counted(
            "ml_slice_payoff", "Payoff by slice", *version, "mode", "slice", "direction"
        )
        self.feedback = counted(
            "ml_decision_feedback", "Feedback on decisions", *version, "verdict", "reason"
        )
        self.cases = counted(
            "ml_cases", "Cases with an outcome; manual: without a prediction", "decided_by"
        )
        self.failures = counted(
            "ml_payoff_failures", "Results of payoff() that are not a finite number"
        )
        self.delay = Histogram(
            "ml_outcome_delay_seconds",
            "Time from a prediction to its outcome",
            buckets=DELAYS,
            registry=registry,
        )
        self.handling = Histogram(
            "ml_handling_seconds",
            "Time that a person spent on a case",
            buckets=HANDLING_SECONDS,
            registry=registry,
        )
        self.people = Gauge(
            "ml_active_reviewers",
            "People with feedback in 7 days; absent below five people",
            ["days"],
            registry=registry,
        )
        for decider in ("model", "manual"):
            self.cases.add(decider, amount=0)

    def count(self, store: "Store") -> None:
        """Count new outcomes and feedback.

        Raises StoreUnavailableError if the database is not available.
        """
        # imported here, because the first answers need not wait for it
        from ..records.unprocessed_outcomes import UncountedRecords

        if (serving := self.models.current) is None:
            return  # without a model the task is unknown
        if serving.version != self._version:
            for verdict in VERDICTS:
                self.feedback.add(serving.version, CHAMPION, verdict, "", amount=0)
            self._version = serving.version
        self._claims = claims = self._claims or UncountedRecords()
        manifest, until, more = serving.bundle.manifest, time.monotonic() + MAX_COUNT_SECONDS, True
        while more and time.monotonic() < until:
            for outcome in claims.claim_outcomes(store):
                self._outcome(outcome, manifest)
            for feedback in claims.claim_feedback(store):
                self._feedback(feedback)
            more = claims.more
        if (began := time.monotonic()) > self._people_at:
            self._count_people(store, began)

    def _count_people(self, store: "Store", began: float) -> None:
        """Count the people who gave feedback.

        A count that takes one second runs every twenty seconds at most.
        """
        from ..records.database import now
        from ..records.usage_stats import active_reviewers

        try:
            people = active_reviewers(store, now())
        finally:
            took = time.monotonic() - began
            self._people_at = began + max(PEOPLE_SECONDS, took * PEOPLE_PAUSE_FACTOR)
        self.people.clear()
        if people is not None:
            self.people.labels("7").set(people)

    def _outcome(self, arrived: "OutcomeRow", manifest: Manifest) -> None:
        if (received := arrived.prediction) is None:
            self.cases.add("manual")
            return
        self.cases.add("model")
        if bool(received.scores) != bool(arrived.outcome_class):
            return  # the task changed between the prediction and its outcome
        arm = received.model_version, received.arm
        figures = self._figures(arrived, received, manifest)
        decision, label = figures.decision, figures.label
        if manifest.task != "regression":
            decision = self._decisions.label(decision)
        if figures.log_loss is not None:
            # an earlier model may have had other classes
            label = label if label in class_names(manifest.classes) else OTHER
            self.correct.add(*arm, label, amount=figures.outcome)
            self.log_loss.add(*arm, amount=figures.log_loss)
        self.outcomes.add(*arm, received.mode, decision, label)
        # a counter with an infinite value could not count any more
        if math.isfinite(figures.squared_error):
            self.errors.add(*arm, amount=figures.squared_error)
        self.delay.observe(max((arrived.at - received.at).total_seconds(), 0))
        if figures.bin is not None:
            le = f"{figures.bin:g}"
            for counter, amount in (
                (self.rows, 1.0),
                (self.scores, figures.score),
                (self.labels, figures.outcome),
            ):
                counter.add(*arm, le, amount=amount)
        parts = [
            f"{field.name}={_slice_value(field.categories, received.row.get(field.name))}"
            for field in self._slices
        ]
        if figures.log_loss is not None:
            # each pair of two classes in each slice would be too many series
            label = CORRECT if figures.outcome else INCORRECT
        for part in parts:
            self.sliced.add(*arm, received.mode, part, decision, label)
        if figures.payoff is None:
            self._payoff_failed(figures)
            return
        self.value.add(*arm, received.mode, figures.direction, amount=abs(figures.payoff))
        for part in parts:
            self.sliced_value.add(
                *arm, received.mode, part, figures.direction, amount=abs(figures.payoff)
            )

    def _figures(
        self, arrived: "OutcomeRow", received: "RecordedPrediction", manifest: Manifest
    ) -> OutcomeFigures:
        if received.scores and arrived.outcome_class:
            return compute_class_figures(
                received.scores,
                received.decision,
                arrived.outcome_class,
                received.row,
                self.payoff,
                classes_by_name(manifest.classes),
            )
        return compute_figures(
            received.score,
            received.decision,
            arrived.outcome,
            received.row,
            self.payoff,
            binary=manifest.task == "binary",
        )

    def _payoff_failed(self, figures: OutcomeFigures) -> None:
        self.failures.add()
        if not self._failed:
            log.error(
                f"payoff() gave no value for a decision: {figures.failure[:200]}; it must return "
                "a finite number. This is logged only once"
            )
        self._failed = True

    def _feedback(self, given: "UncountedFeedback") -> None:
        reason = given.reason and self._reasons.label(given.reason)
        self.feedback.add(given.model_version, given.arm, given.verdict, reason)
        if given.handling_seconds is not None:
            self.handling.observe(given.handling_seconds)


def _slice_value(categories: tuple[str, ...], value: Any) -> str:
    """Return the name of a value in a slice; a category outside the contract is "(unknown)"."""
    if isinstance(value, bool):
        return str(value).lower()
    return "(missing)" if value is None else str(value) if value in categories else "(unknown)"
