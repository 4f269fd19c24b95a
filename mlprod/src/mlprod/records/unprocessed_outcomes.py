"""Outcomes and feedback that no replica has counted yet.

Replicas share one database, and exactly one of them counts each outcome. If a process ends after it
claimed outcomes and before Prometheus reads its counters, no replica counts them. As with any
counter this affects seconds at most; the records keep the outcomes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .smoke import of_cases
from .store import Store
from .tables import feedback, outcomes, predictions
from .waiting import UncountedRows


@dataclass(frozen=True)
class RecordedPrediction:
    """A recorded prediction; `row` has no PII fields, `decision` is text.

    `scores` has the probability of each class, or is None without classes.
    """

    model_version: str
    arm: str
    mode: str
    score: float
    decision: str
    row: dict[str, Any]
    at: datetime
    scores: dict[str, float] | None = None


@dataclass(frozen=True)
class OutcomeRow:
    """The outcome of a case; `prediction` is None if it was decided without a prediction.

    `outcome_class` is the name of a class, or None without classes.
    """

    outcome: float
    at: datetime
    prediction: RecordedPrediction | None
    outcome_class: str | None = None


@dataclass(frozen=True)
class UncountedFeedback:
    """Feedback on a prediction of this model version and arm."""

    verdict: str
    reason: str
    handling_seconds: float | None
    model_version: str
    arm: str


class UncountedRecords:
    """Claims outcomes and feedback that no replica has counted yet, for one process."""

    def __init__(self) -> None:
        self._outcomes = UncountedRows(outcomes, outcomes.c.received_at)
        self._feedback = UncountedRows(feedback, feedback.c.at)

    @property
    def more(self) -> bool:
        """Whether more rows can be read now."""
        return self._outcomes.more or self._feedback.more

    def claim_outcomes(self, store: Store) -> list[OutcomeRow]:
        """Claim some outcomes that no replica has counted yet. Raises StoreUnavailableError."""
        columns = [
            outcomes.c.outcome,
            outcomes.c.outcome_class,
            outcomes.c.at,
            *_columns("model_version", "arm", "mode", "score", "scores", "decision"),
        ]
        columns += [
            predictions.c.row,
            predictions.c.at.label("predicted_at"),
            of_cases(outcomes).label("case"),
        ]
        return [
            OutcomeRow(
                row["outcome"],
                row["at"],
                _prediction(row) if row["model_version"] is not None else None,
                row["outcome_class"],
            )
            for row in _cases(self._outcomes.claim(store, columns))
        ]

    def claim_feedback(self, store: Store) -> list[UncountedFeedback]:
        """Claim some uncounted feedback on known predictions. Raises StoreUnavailableError."""
        columns = [
            feedback.c.verdict,
            feedback.c.reason,
            feedback.c.handling_seconds,
            *_columns("model_version", "arm"),
            of_cases(feedback).label("case"),
        ]
        return [
            UncountedFeedback(
                row["verdict"],
                row["reason"] or "",
                row["handling_seconds"],
                row["model_version"],
                row["arm"],
            )
            for row in _cases(self._feedback.claim(store, columns))
            if row["model_version"] is not None
        ]


def _columns(*names: str) -> Iterator[Any]:
    return (predictions.c[name] for name in names)


def _prediction(row: Any) -> RecordedPrediction:
    return RecordedPrediction(
        row["model_version"],
        row["arm"],
        row["mode"],
        row["score"],
        row["decision"],
        row["row"],
        row["predicted_at"],
        row["scores"],
    )


def _cases(rows: list[Any]) -> Iterator[Any]:
    """Skip smoke tests: they are marked as counted, but no counter includes them."""
    return (row for row in rows if row["case"])
