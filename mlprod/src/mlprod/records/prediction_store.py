"""Predictions in the database: written from events, found by id, and deleted again when nobody was
given them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from .shipping import Shipped, predictions_in, statements
from .tables import predictions
from .time_limits import WAIT
from .transactions import Transactions


class PredictionStore(Transactions):
    """Writes and reads predictions."""

    def __init__(self, url: str, wait: int = WAIT) -> None:
        """`wait`: seconds that a statement or a lock may take."""
        super().__init__(url, wait)
        self._statements = statements(self.engine.dialect.name)

    def ship(self, events: Sequence[bytes]) -> Shipped:
        """Write the predictions of some events, all or none.

        A further answer under an id that is known is kept beside the first: it has left, so it must
        be on record.

        Raises EventsRefusedError when the database cannot hold what they say.
        """
        given = {"events": "[" + b",".join(events).decode() + "]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == sum(map(predictions_in, events)):
                return Shipped(new)
            stored = list(connection.execute(self._statements.keep, given).scalars())
            conflicting = sum(map(bool, stored))
            return Shipped(new, len(stored) - conflicting, conflicting)

    def record(self, event: bytes) -> tuple[int, dict[str, bool]]:
        """Write predictions that nobody was given yet.

        Gives how many were not known before, and of the others by id whether the answer that is
        known is to another row.

        Raises EventsRefusedError when the database cannot hold what the event says.
        """
        given = {"events": f"[{event.decode()}]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == predictions_in(event):
                return new, {}
            known = connection.execute(self._statements.repeats, given)
            return new, {id: bool(conflicting) for id, conflicting in known}

    def recorded(self, ids: Sequence[str]) -> dict[str, Any]:
        """Of the predictions known among these ids: at, model_version, arm, mode, score and
        decision (text).
        """
        names = ("id", "at", "model_version", "arm", "mode", "score", "decision")
        requested = select(*(predictions.c[name] for name in names)).where(
            predictions.c.id.in_(ids)
        )
        with self.reading() as connection:
            return {row.id: row for row in connection.execute(requested)}

    def delete_predictions(self, ids: Sequence[str], at: datetime) -> None:
        """Take back predictions that one run recorded at this time, and gave to nobody."""
        with self.connected() as connection:
            connection.execute(
                predictions.delete().where(predictions.c.id.in_(ids), predictions.c.at == at)
            )
