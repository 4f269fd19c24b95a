"""What came of predictions, each taken once: replicas share one database, and every outcome is
counted by one of them.

What is taken and then lost with its process, before Prometheus asked, is counted by none: seconds
at most, as with any counter. The records keep it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .smoke import of_cases
from .store import Store
from .tables import feedback, outcomes, predictions
from .waiting import Waiting


@dataclass(frozen=True)
class Prediction:
    """A prediction as it was recorded; `row` is without PII fields, `decision` is text."""

    model_version: str
    arm: str
    mode: str
    score: float
    decision: str
    row: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class OutcomeRow:
    """What became of a case; `prediction` is None when it was decided without a prediction."""

    outcome: float
    at: datetime
    prediction: Prediction | None


@dataclass(frozen=True)
class Feedback:
    verdict: str
    reason: str
    handling_seconds: float | None
    model_version: str
    arm: str


class Claims:
    """Takes what nobody counted yet, for one process."""

    def __init__(self) -> None:
        self._outcomes = Waiting(outcomes, outcomes.c.received_at)
        self._feedback = Waiting(feedback, feedback.c.at)

    @property
    def more(self) -> bool:
        """Whether there is more to look at now."""
        return self._outcomes.more or self._feedback.more

    def outcomes(self, store: Store) -> list[OutcomeRow]:
        """Some outcomes that nobody counted yet. Raises StoreUnavailableError."""
        columns = [
            outcomes.c.outcome,
            outcomes.c.at,
            *_columns("model_version", "arm", "mode", "score", "decision"),
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
            )
            for row in _real(self._outcomes.take(store, columns))
        ]

    def feedback(self, store: Store) -> list[Feedback]:
        """Some feedback on predictions that are known, not counted yet.

        Raises StoreUnavailableError.
        """
        columns = [
            feedback.c.verdict,
            feedback.c.reason,
            feedback.c.handling_seconds,
            *_columns("model_version", "arm"),
            of_cases(feedback).label("case"),
        ]
        return [
            Feedback(
                row["verdict"],
                row["reason"] or "",
                row["handling_seconds"],
                row["model_version"],
                row["arm"],
            )
            for row in _real(self._feedback.take(store, columns))
            if row["model_version"] is not None
        ]


def _columns(*names: str) -> Iterator[Any]:
    return (predictions.c[name] for name in names)


def _prediction(row: Any) -> Prediction:
    return Prediction(
        row["model_version"],
        row["arm"],
        row["mode"],
        row["score"],
        row["decision"],
        row["row"],
        row["predicted_at"],
    )


def _real(rows: list[Any]) -> Iterator[Any]:
    """What was only tried is marked as counted, and counts nowhere."""
    return (row for row in rows if row["case"])
