"""What came of the answers, for Prometheus: outcomes, quality, money, feedback.

No figure is of one person.
"""

import math
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import Gauge, Histogram

from ..contract.schema import ContractSchema, Task
from ..records.events import CHAMPION
from ..records.outcome_stats import VERDICTS, OutcomeFigures, Payoff, figures_of
from .label_words import LabelWords
from .logs import log
from .metrics import Metrics
from .model_loader import ModelLoader

if TYPE_CHECKING:
    from ..records.store import Store
    from ..records.unprocessed_outcomes import Claims, Feedback, OutcomeRow

DAY = 86_400
DELAYS = (60, 3_600, DAY, *(days * DAY for days in (3, 7, 14, 28, 56, 112)))  # seconds
HANDLED = (5, 15, 30, 60, 120, 300, 600, 1_800, 3_600)  # seconds
PEOPLE_SECONDS = 15
PEOPLE_SHARE = 20  # counting people takes at most this part of the time
LONGEST = 0.5  # seconds of one count, so that answers get the processor


class OutcomeMetrics:
    """Counts what `records` gives, on one thread."""

    def __init__(
        self, terms: ContractSchema, payoff: Payoff, models: ModelLoader, metrics: Metrics
    ) -> None:
        self.payoff, self.models = payoff, models
        self._slices = [terms.fields[name] for name in terms.slices if name not in terms.personal]
        self._reasons, self._decisions = LabelWords(), metrics.decisions
        self._version, self._failed, self._people_at = "", False, -math.inf
        self._claims: Claims | None = None
        version, stored, counted = ("model_version", "arm"), metrics.registry, metrics.counted
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
        self.value = counted(
            "ml_payoff", "Money that payoff() gives", *version, "mode", "direction"
        )
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
            "ml_slice_payoff", "Money by slice", *version, "mode", "slice", "direction"
        )
        self.feedback = counted(
            "ml_decision_feedback", "What people did", *version, "verdict", "reason"
        )
        self.cases = counted(
            "ml_cases", "Cases with an outcome; manual: no prediction", "decided_by"
        )
        self.failures = counted("ml_payoff_failures", "payoff() gave no finite number")
        self.delay = Histogram(
            "ml_outcome_delay_seconds", "Until an outcome", buckets=DELAYS, registry=stored
        )
        self.handling = Histogram(
            "ml_handling_seconds", "Time that a case took people", buckets=HANDLED, registry=stored
        )
        self.people = Gauge(
            "ml_active_reviewers", "People in 7 days, unless under five", ["days"], registry=stored
        )
        for decider in ("model", "manual"):
            self.cases.add(decider, amount=0)

    def count(self, store: "Store") -> None:
        """Count what is new. Raises StoreUnavailableError."""
        from ..records.unprocessed_outcomes import Claims  # after the first answers

        if (serving := self.models.current) is None:
            return  # the task is not known
        if serving.version != self._version:
            for verdict in VERDICTS:
                self.feedback.add(serving.version, CHAMPION, verdict, "", amount=0)
            self._version = serving.version
        self._claims = claims = self._claims or Claims()
        task, until, more = serving.bundle.manifest.task, time.monotonic() + LONGEST, True
        while more and time.monotonic() < until:
            for outcome in claims.outcomes(store):
                self._outcome(outcome, task)
            for feedback in claims.feedback(store):
                self._feedback(feedback)
            more = claims.more
        if (began := time.monotonic()) > self._people_at:
            self._count_people(store, began)

    def _count_people(self, store: "Store", began: float) -> None:
        """How many people gave feedback.

        What takes a second is asked for every twenty seconds at most.
        """
        from ..records.database import now
        from ..records.usage_stats import active_reviewers

        try:
            people = active_reviewers(store, now())
        finally:
            took = time.monotonic() - began
            self._people_at = began + max(PEOPLE_SECONDS, took * PEOPLE_SHARE)
        self.people.clear()
        if people is not None:
            self.people.labels("7").set(people)

    def _outcome(self, arrived: "OutcomeRow", task: Task) -> None:
        if (received := arrived.prediction) is None:
            self.cases.add("manual")
            return
        self.cases.add("model")
        binary, arm = task == "binary", (received.model_version, received.arm)
        figures = figures_of(
            received.score,
            received.decision,
            arrived.outcome,
            received.row,
            self.payoff,
            binary=binary,
        )
        decision, label = (
            self._decisions.label(figures.decision) if binary else figures.decision,
            figures.label,
        )
        self.outcomes.add(*arm, received.mode, decision, label)
        if math.isfinite(
            figures.squared_error
        ):  # a counter that is infinite once counts nothing more
            self.errors.add(*arm, amount=figures.squared_error)
        self.delay.observe(max((arrived.at - received.at).total_seconds(), 0))
        if figures.bin is not None:
            le = f"{figures.bin:g}"
            for counter, amount in (
                (self.rows, 1.0),
                (self.scores, received.score),
                (self.labels, arrived.outcome),
            ):
                counter.add(*arm, le, amount=amount)
        parts = [
            f"{field.name}={_part(field.categories, received.row.get(field.name))}"
            for field in self._slices
        ]
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

    def _payoff_failed(self, figures: OutcomeFigures) -> None:
        self.failures.add()
        if not self._failed:
            log.error(
                f"payoff() cannot say what a decision was worth: {figures.failure[:200]}; told once"
            )
        self._failed = True

    def _feedback(self, given: "Feedback") -> None:
        reason = given.reason and self._reasons.label(given.reason)
        self.feedback.add(given.model_version, given.arm, given.verdict, reason)
        if given.handling_seconds is not None:
            self.handling.observe(given.handling_seconds)


def _part(categories: tuple[str, ...], value: Any) -> str:
    """How a slice calls a value; words of no contract are one."""
    if isinstance(value, bool):
        return str(value).lower()
    return "(missing)" if value is None else str(value) if value in categories else "(unknown)"
