"""What came of predictions, each taken once: replicas share one database, and every outcome is counted by one of them.

What is taken and then lost with its process, before Prometheus asked, is counted by none: seconds at most, as with any
counter. The records keep it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, or_, select, update

from .engine import now
from .smoke import of_cases
from .store import Store
from .tables import feedback, outcomes, predictions

MOST = 500  # taken in one transaction
LATEST = timedelta(days=1)  # until an outcome without a prediction is of a case that was decided without us
LATELY = timedelta(days=7)
FEWEST = 5  # people of whom a number may be told


@dataclass(frozen=True)
class Prediction:
    """A prediction as it was recorded; `row` is without PERSONAL fields, `decision` is text."""

    model_version: str
    arm: str
    mode: str
    score: float
    decision: str
    row: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Outcome:
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


def take_outcomes(store: Store) -> list[Outcome]:
    """Outcomes that nobody counted yet, at most MOST. Raises StoreAway."""
    columns = [outcomes.c.outcome, outcomes.c.at, *_columns("model_version", "arm", "mode", "score", "decision", "row")]
    columns.append(predictions.c.at.label("predicted_at"))
    return [
        Outcome(
            row["outcome"],
            row["at"],
            Prediction(
                row["model_version"], row["arm"], row["mode"], row["score"], row["decision"], row["row"],
                row["predicted_at"],
            )
            if row["model_version"] is not None
            else None,
        )
        for row in _taken(store, outcomes, outcomes.c.received_at, columns)
    ]  # fmt: skip


def take_feedback(store: Store) -> list[Feedback]:
    """Feedback on predictions that are known, not counted yet, at most MOST. Raises StoreAway."""
    columns = [feedback.c.verdict, feedback.c.reason, feedback.c.handling_seconds, *_columns("model_version", "arm")]
    return [
        Feedback(row["verdict"], row["reason"] or "", row["handling_seconds"], row["model_version"], row["arm"])
        for row in _taken(store, feedback, feedback.c.at, columns)
        if row["model_version"] is not None
    ]


def active_reviewers(store: Store) -> int | None:
    """How many people gave feedback in the last seven days; None under five, since a few are not to be told apart.

    Pseudonyms change with the month, so it is the larger part of a week that lies in two. Raises StoreAway.
    """
    today = now()
    month, since = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0), today - LATELY
    people = select(func.count(func.distinct(feedback.c.pseudonym)))
    with store.reading() as connection:
        people = people.where(of_cases(feedback))
        new = connection.execute(people.where(feedback.c.at >= max(since, month))).scalar_one()
        old = connection.execute(people.where(feedback.c.at >= since, feedback.c.at < month)).scalar_one()
    return found if (found := max(int(new), int(old))) >= FEWEST else None


def _columns(*names: str) -> Iterator[Any]:
    return (predictions.c[name] for name in names)


def _taken(store: Store, table: Table, came: Any, columns: list[Any]) -> list[Any]:
    """Rows of `table` with their predictions, marked as counted: those whose prediction is known, and those that waited
    for it in vain. What was only tried is marked and not given."""
    key, about = next(iter(table.primary_key)), table.c.prediction_id
    waited = or_(predictions.c.id.is_not(None), came < now() - LATEST)
    query = (
        select(key.label("key"), of_cases(table).label("case"), *columns)
        .select_from(table.outerjoin(predictions, predictions.c.id == about))
        .where(table.c.counted_at.is_(None), waited)
        .limit(MOST)
        .with_for_update(of=table, skip_locked=True)
    )
    with store.connected() as connection:
        rows = list(connection.execute(query).mappings())
        if rows:
            mine = key.in_([row["key"] for row in rows])
            connection.execute(update(table).where(mine).values(counted_at=now()))
    return [row for row in rows if row["case"]]
