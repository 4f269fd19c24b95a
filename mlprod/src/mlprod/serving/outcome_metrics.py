"""What came of the answers, for Prometheus: outcomes, quality, money, feedback. No figure is of one person."""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import Gauge, Histogram

from ..contract.schema import Task, Terms
from .label_words import OTHER, LabelWords
from .logs import log
from .metrics import Metrics
from .model_loader import Models

if TYPE_CHECKING:
    from ..records.store import Store
    from ..records.unprocessed_outcomes import Claims, Feedback, Outcome, Prediction

Payoff = Callable[[Any, float, Mapping[str, Any]], float]
DAY = 86_400
DELAYS = (60, 3_600, DAY, *(days * DAY for days in (3, 7, 14, 28, 56, 112)))  # seconds
HANDLED = (5, 15, 30, 60, 120, 300, 600, 1_800, 3_600)  # seconds
BINS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)  # of a probability; many labels are rare
VERDICTS = ("accepted", "edited", "overridden")
PEOPLE_SECONDS = 15
PEOPLE_SHARE = 20  # counting people takes at most this part of the time
LONGEST = 0.5  # seconds of one count, so that answers get the processor


class Results:
    """Counts what `records` gives, on one thread."""

    def __init__(self, terms: Terms, payoff: Payoff, models: Models, metrics: Metrics) -> None:
        self.payoff, self.models = payoff, models
        self._slices = [terms.fields[name] for name in terms.slices if name not in terms.personal]
        self._reasons, self._decisions = LabelWords(), metrics.decisions
        self._version, self._failed, self._people_at = "", False, -math.inf
        self._claims: Claims | None = None
        version, kept, counted = ("model_version", "arm"), metrics.registry, metrics.counted
        self.outcomes = counted("ml_outcomes", "Outcomes by decision", *version, "mode", "decision", "outcome")
        self.errors = counted("ml_outcome_squared_error", "Sum of (score - outcome) squared", *version)
        self.rows = counted("ml_calibration_rows", "Outcomes by bin of the score", *version, "le")
        self.scores = counted("ml_calibration_scores", "Sum of the scores in a bin", *version, "le")
        self.labels = counted("ml_calibration_outcomes", "Sum of the outcomes in a bin", *version, "le")
        self.value = counted("ml_value", "Money that payoff() gives", *version, "mode", "direction")
        self.sliced = counted(
            "ml_slice_outcomes", "Outcomes by slice", *version, "mode", "slice", "decision", "outcome"
        )
        self.sliced_value = counted("ml_slice_value", "Money by slice", *version, "mode", "slice", "direction")
        self.feedback = counted("ml_decision_feedback", "What people did", *version, "verdict", "reason")
        self.cases = counted("ml_cases", "Outcomes of cases decided with us (ai) and without (manual)", "path")
        self.failures = counted("ml_value_failures", "payoff() gave no finite number")
        self.delay = Histogram("ml_outcome_delay_seconds", "Until an outcome", buckets=DELAYS, registry=kept)
        self.handling = Histogram("ml_handling_seconds", "Time that a case took people", buckets=HANDLED, registry=kept)
        self.people = Gauge("ml_active_reviewers", "People in 7 days, unless under five", ["days"], registry=kept)
        for path in ("ai", "manual"):
            self.cases.add(path, amount=0)

    def count(self, store: "Store") -> None:
        """Count what is new. Raises StoreAway."""
        from ..records.unprocessed_outcomes import Claims  # after the first answers

        if (serving := self.models.current) is None:
            return  # the task is not known
        if serving.version != self._version:
            for verdict in VERDICTS:
                self.feedback.add(serving.version, "champion", verdict, "", amount=0)
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
        """How many people gave feedback. What takes a second is asked for every twenty seconds at most."""
        from ..records.unprocessed_outcomes import active_reviewers

        try:
            people = active_reviewers(store)
        finally:
            took = time.monotonic() - began
            self._people_at = began + max(PEOPLE_SECONDS, took * PEOPLE_SHARE)
        self.people.clear()
        if people is not None:
            self.people.labels("7").set(people)

    def _outcome(self, came: "Outcome", task: Task) -> None:
        if (told := came.prediction) is None:
            self.cases.add("manual")
            return
        self.cases.add("ai")
        binary, arm = task == "binary", (told.model_version, told.arm)
        decision, label = (self._decisions.label(told.decision), self._class(came)) if binary else ("number", "number")
        self.outcomes.add(*arm, told.mode, decision, label)
        error = told.score - came.outcome
        if math.isfinite(error * error):  # ** would raise, and one outcome keep all from being counted
            self.errors.add(*arm, amount=error * error)
        self.delay.observe(max((came.at - told.at).total_seconds(), 0))
        if binary and 0 <= told.score <= 1:
            le = f"{BINS[bisect_left(BINS, told.score)]:g}"
            for counter, amount in ((self.rows, 1.0), (self.scores, told.score), (self.labels, came.outcome)):
                counter.add(*arm, le, amount=amount)
        parts = [f"{field.name}={_part(field.categories, told.row.get(field.name))}" for field in self._slices]
        for part in parts:
            self.sliced.add(*arm, told.mode, part, decision, label)
        if (money := self._money(told, came.outcome, binary)) is None:
            return
        direction = "gain" if money >= 0 else "loss"
        self.value.add(*arm, told.mode, direction, amount=abs(money))
        for part in parts:
            self.sliced_value.add(*arm, told.mode, part, direction, amount=abs(money))

    def _class(self, came: "Outcome") -> str:
        return f"{came.outcome:g}" if came.outcome in (0, 1) else OTHER

    def _money(self, told: "Prediction", outcome: float, binary: bool) -> float | None:
        """What the decision was worth; None when payoff() cannot say, which is counted and told once."""
        try:
            money = float(self.payoff(told.decision if binary else float(told.decision), outcome, told.row))
            if math.isfinite(money):
                return money
            why = f"it gave {money}"
        except Exception as error:  # the owner's own code
            why = f"{type(error).__name__}: {error}"
        self.failures.add()
        if not self._failed:
            log.error(f"payoff() cannot say what a decision was worth: {why[:200]}; told once")
        self._failed = True
        return None

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
