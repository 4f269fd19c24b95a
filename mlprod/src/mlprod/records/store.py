"""The database of records. Every write may be repeated; repeating changes nothing."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Delete, select

from .mode_store import ModeStore
from .outcome_store import OutcomeStore
from .prediction_store import PredictionStore
from .tables import feedback, outcome_history, outcomes, predictions, repeated_answers

FORGET_ROWS = 2_000  # deleted in one transaction


class Store(PredictionStore, OutcomeStore, ModeStore):
    """Safe for threads.

    Every method raises StoreUnavailableError when the database does not answer within seconds.
    """

    def check(self) -> None:
        """Raises StoreUnavailableError unless the database answers and has its tables."""
        with self.reading() as connection:
            connection.execute(select(predictions.c.id).limit(1))

    def forget(
        self, before: datetime, progress: Callable[[dict[str, int]], object] = len
    ) -> dict[str, int]:
        """Delete answers that were given, and outcomes and feedback that came, before this time;
        gives how many. The switches of the mode stay.

        Each FORGET_ROWS rows are a transaction of their own, so that nobody waits for long. An end
        in between leaves what is not deleted yet: the next call goes on. `progress` gets the
        numbers so far after each.
        """
        gone: dict[str, int] = {}
        for table, when in (
            (predictions, predictions.c.at),
            (repeated_answers, repeated_answers.c.at),
            (outcomes, outcomes.c.received_at),
            (outcome_history, outcome_history.c.received_at),
            (feedback, feedback.c.at),
        ):
            key, gone[table.name] = next(iter(table.primary_key)), 0
            some = select(key).where(when < before).limit(FORGET_ROWS)
            while deleted := self._delete(table.delete().where(key.in_(some))):
                gone[table.name] += deleted
                progress(gone)
        return gone

    def _delete(self, statement: Delete) -> int:
        with self.connected() as connection:
            return int(connection.execute(statement).rowcount)
