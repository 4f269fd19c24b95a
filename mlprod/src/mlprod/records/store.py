"""The database of records. A repeated write changes nothing."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Delete, select

from .mode_store import ModeStore
from .outcome_store import OutcomeStore
from .prediction_store import PredictionStore
from .tables import feedback, outcome_history, outcomes, predictions, repeated_answers

# rows that one transaction deletes
DELETE_ROWS = 2_000


class Store(PredictionStore, OutcomeStore, ModeStore):
    """The records. Thread-safe.

    Every method raises StoreUnavailableError if the database does not respond within seconds.
    """

    def check(self) -> None:
        """Check the database.

        Raises StoreUnavailableError if it does not respond or has no tables.
        """
        with self.reading() as connection:
            connection.execute(select(predictions.c.id).limit(1))

    def delete_before(
        self, before: datetime, progress: Callable[[dict[str, int]], object] = len
    ) -> dict[str, int]:
        """Delete predictions, outcomes and feedback from before this time; return the counts.

        The switches of the mode stay. Each DELETE_ROWS rows are a transaction of their own, so that
        nobody waits for long. After an interruption the next call deletes the rest. `progress`
        receives the counts after each transaction.
        """
        deleted_rows: dict[str, int] = {}
        for table, when in (
            (predictions, predictions.c.at),
            (repeated_answers, repeated_answers.c.at),
            (outcomes, outcomes.c.received_at),
            (outcome_history, outcome_history.c.received_at),
            (feedback, feedback.c.at),
        ):
            key, deleted_rows[table.name] = next(iter(table.primary_key)), 0
            some = select(key).where(when < before).limit(DELETE_ROWS)
            while deleted := self._delete(table.delete().where(key.in_(some))):
                deleted_rows[table.name] += deleted
                progress(deleted_rows)
        return deleted_rows

    def _delete(self, statement: Delete) -> int:
        with self.connected() as connection:
            return int(connection.execute(statement).rowcount)
