"""Outcomes and feedback in the database: each is stored once, and corrections have a history."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from .database import now
from .errors import OutcomeConflictError, StoreUnavailableError
from .sender import Sender
from .tables import feedback, outcome_history, outcomes, predictions
from .transactions import Transactions

# the columns of an outcome that a correction copies to the history
HISTORY_COLUMNS = (
    *("prediction_id", "outcome", "outcome_class", "at", "received_at", "caller", "request"),
)
UNKNOWN_SENDER = Sender()
# attempts if another replica writes the same outcome at the same moment
MAX_TRIES = 3


class _ConcurrentWriteError(Exception):
    """Another replica wrote the same outcome between our read and our write."""


class OutcomeStore(Transactions):
    """Writes outcomes and feedback."""

    def add_outcomes(
        self, given: Sequence[Mapping[str, Any]], sender: Sender = UNKNOWN_SENDER
    ) -> dict[str, int]:
        """Write outcomes {prediction_id, outcome, at, correction}, all or none.

        An outcome of a class also has `outcome_class`, its name, and `outcome` is its position.

        Returns how many were `accepted`, `repeated` and `corrected`, and how many are `unknown`:
        their prediction is not known (yet).

        Raises OutcomeConflictError if an outcome differs from the recorded one and is not marked as
        a correction.
        """
        for _ in range(MAX_TRIES):
            try:
                with self.connected() as connection:
                    return self._add_outcomes(connection, given, sender)
            except _ConcurrentWriteError:
                continue
        raise StoreUnavailableError(
            f"other replicas wrote the same outcomes in each of {MAX_TRIES} attempts; retry later"
        )

    def _add_outcomes(
        self, connection: Connection, given: Sequence[Mapping[str, Any]], sender: Sender
    ) -> dict[str, int]:
        ids, received = {item["prediction_id"] for item in given}, now()
        columns = [outcomes.c[name] for name in HISTORY_COLUMNS]
        known_now = (
            select(*columns)
            .where(outcomes.c.prediction_id.in_(ids))
            .order_by(outcomes.c.prediction_id)
        )
        # Every replica locks the rows in the same order, which prevents deadlocks.
        locked = connection.execute(known_now.with_for_update())
        stored = {row["prediction_id"]: dict(row) for row in locked.mappings()}
        known, replaced, conflicts = dict(stored), [], {}
        count = {"accepted": 0, "repeated": 0, "corrected": 0}
        for position, item in enumerate(given):
            before = known.get(item["prediction_id"])
            outcome_class = item.get("outcome_class")
            if before and _same(before, item["outcome"], outcome_class):
                count["repeated"] += 1
                continue
            if before and not item["correction"]:
                conflicts[position] = before["outcome_class"] or before["outcome"]
                continue
            if before:
                replaced.append(
                    {name: before[name] for name in HISTORY_COLUMNS} | {"replaced_at": received}
                )
            known[item["prediction_id"]] = {
                **{name: item[name] for name in ("prediction_id", "outcome", "at")},
                "received_at": received,
                "outcome_class": outcome_class,
                **sender.row(item["prediction_id"]),
            }
            count["corrected" if before else "accepted"] += 1
        if conflicts:
            raise OutcomeConflictError(conflicts)
        if replaced:
            connection.execute(insert(outcome_history), replaced)
        if new := [item for id, item in sorted(known.items()) if id not in stored]:
            write = (
                self._insert(outcomes)
                .values(new)
                .on_conflict_do_nothing()
                .returning(outcomes.c.prediction_id)
            )
            if len(connection.execute(write).all()) < len(new):
                raise _ConcurrentWriteError
        for id in {item["prediction_id"] for item in replaced} & set(stored):
            connection.execute(
                update(outcomes).where(outcomes.c.prediction_id == id).values(known[id])
            )
        return count | {"unknown": self._unknown(connection, ids)}

    def add_feedback(
        self, given: Sequence[Mapping[str, Any]], sender: Sender = UNKNOWN_SENDER
    ) -> tuple[set[str], int]:
        """Write rows of the feedback table without `at`.

        Returns the ids that were not known before, and how many predictions are not known (yet).
        """
        written = {
            item["id"]: {**item, "at": now(), **sender.row(item["prediction_id"])} for item in given
        }
        rows = [item for _, item in sorted(written.items())]
        write = (
            self._insert(feedback).values(rows).on_conflict_do_nothing().returning(feedback.c.id)
        )
        with self.connected() as connection:
            new = set(connection.execute(write).scalars())
            return new, self._unknown(connection, {item["prediction_id"] for item in given})

    def _unknown(self, connection: Connection, ids: set[str]) -> int:
        result = connection.execute(
            select(func.count()).where(predictions.c.id.in_(ids))
        ).scalar_one()
        return len(ids) - int(result)


def _same(stored: Mapping[str, Any], outcome: float, outcome_class: str | None) -> bool:
    """Whether an outcome equals the stored one. Positions may change, so a class goes by name."""
    if stored["outcome_class"] or outcome_class:
        return bool(stored["outcome_class"] == outcome_class)
    return bool(stored["outcome"] == outcome)
