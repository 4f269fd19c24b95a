"""Predictions in the database: written from events, found by id, and deleted if nobody got them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from .shipping import InsertResult, build_statements, count_predictions
from .tables import predictions
from .time_limits import WAIT
from .transactions import Transactions


class PredictionStore(Transactions):
    """Writes and reads predictions."""

    def __init__(self, url: str, wait: int = WAIT) -> None:
        """Connect to `url`; `wait`: the seconds that a statement or a lock may take."""
        super().__init__(url, wait)
        self._statements = build_statements(self.engine.dialect.name)

    def insert_events(self, events: Sequence[bytes]) -> InsertResult:
        """Write the predictions of events, all or none.

        A further prediction under a known id is stored beside the first: it was sent, so it must be
        on record.

        Raises EventsRefusedError if the database cannot store the events.
        """
        given = {"events": "[" + b",".join(events).decode() + "]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == sum(map(count_predictions, events)):
                return InsertResult(new)
            stored = list(connection.execute(self._statements.keep, given).scalars())
            conflicting = sum(map(bool, stored))
            return InsertResult(new, len(stored) - conflicting, conflicting)

    def record(self, event: bytes) -> tuple[int, dict[str, bool]]:
        """Write predictions that nobody has received yet.

        Returns how many were not known before. For each other id, returns whether its recorded
        prediction is for another row.

        Raises EventsRefusedError if the database cannot store the event.
        """
        given = {"events": f"[{event.decode()}]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == count_predictions(event):
                return new, {}
            known = connection.execute(self._statements.repeats, given)
            return new, {id: bool(conflicting) for id, conflicting in known}

    def find_predictions(self, ids: Sequence[str]) -> dict[str, Any]:
        """Find predictions by id.

        Returns a row for each known id: at, model_version, arm, mode, score, decision (text) and
        scores (by class, or None).
        """
        names = ("id", "at", "model_version", "arm", "mode", "score", "decision", "scores")
        requested = select(*(predictions.c[name] for name in names)).where(
            predictions.c.id.in_(ids)
        )
        with self.reading() as connection:
            return {row.id: row for row in connection.execute(requested)}

    def delete_predictions(self, ids: Sequence[str], at: datetime) -> None:
        """Delete predictions that one run recorded at this time and that nobody received."""
        with self.connected() as connection:
            connection.execute(
                predictions.delete().where(predictions.c.id.in_(ids), predictions.c.at == at)
            )
