"""The database of records. Every write may be repeated; repeating changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Delete, Engine, Row, Table, func, insert, select, update
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from ..modes import MODES, SAFEST
from .database import READING, WAIT, engine_of, now
from .errors import OutcomeConflict, StoreAway
from .failures import explained
from .mode import Mode, rank
from .sender import Sender
from .shipping import Shipped, predictions_in, statements
from .tables import feedback, modes, outcome_history, outcomes, predictions, repeated_answers

MODE_LOCK = 7_302_051  # any number; everything that switches the mode takes it
REPLACED = ("prediction_id", "outcome", "at", "received_at", "caller", "request")  # kept of an outcome
UNKNOWN = Sender()
MODES_READ = select(*(modes.c[name] for name in ("number", "at", "mode", "who", "why")))  # as all tables have them
FORGET_ROWS = 2_000  # deleted in one transaction
TRIES = 3  # when another replica writes the same outcome in the same moment


class _Raced(Exception):
    """Another replica wrote the same outcome between our look and our write."""


class Store:
    """Safe for threads. Every method raises StoreAway when the database does not answer within seconds."""

    def __init__(self, url: str, wait: int = WAIT) -> None:
        """`wait`: seconds that a statement or a lock may take."""
        self.engine = engine_of(url, wait)
        self._reader = self.engine.execution_options(**{READING: True})  # over the same connections
        self._statements = statements(self.engine.dialect.name)

    def ship(self, events: Sequence[bytes]) -> Shipped:
        """Write the predictions of some events, all or none. A further answer under an id that is known is kept beside
        the first: it has left, so it must be on record.

        Raises EventsRefused when the database cannot hold what they say.
        """
        given = {"events": "[" + b",".join(events).decode() + "]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == sum(map(predictions_in, events)):
                return Shipped(new)
            kept = list(connection.execute(self._statements.keep, given).scalars())
            conflicting = sum(map(bool, kept))
            return Shipped(new, len(kept) - conflicting, conflicting)

    def record(self, event: bytes) -> tuple[int, dict[str, bool]]:
        """Write predictions that nobody was given yet. Gives how many were not known before, and of the others by id
        whether the answer that is known is to another row.

        Raises EventsRefused when the database cannot hold what the event says.
        """
        given = {"events": f"[{event.decode()}]"}
        with self.connected() as connection:
            new = connection.execute(self._statements.first, given).rowcount
            if new == predictions_in(event):
                return new, {}
            known = connection.execute(self._statements.repeats, given)
            return new, {id: bool(conflicting) for id, conflicting in known}

    def check(self) -> None:
        """Raises StoreAway unless the database answers and has its tables."""
        with self.reading() as connection:
            connection.execute(select(predictions.c.id).limit(1))

    def recorded(self, ids: Sequence[str]) -> dict[str, Any]:
        """Of the predictions known among these ids: at, model_version, arm, mode, score and decision (text)."""
        names = ("id", "at", "model_version", "arm", "mode", "score", "decision")
        asked = select(*(predictions.c[name] for name in names)).where(predictions.c.id.in_(ids))
        with self.reading() as connection:
            return {row.id: row for row in connection.execute(asked)}

    def withdraw(self, ids: Sequence[str], at: datetime) -> None:
        """Take back predictions that one run recorded at this time, and gave to nobody."""
        with self.connected() as connection:
            connection.execute(predictions.delete().where(predictions.c.id.in_(ids), predictions.c.at == at))

    def mode(self) -> Mode | None:
        """The mode that was set last; None when none ever was. It waits for nobody who writes."""
        with self.reading() as connection:
            return _last(connection)

    def set_mode(self, mode: str, who: str, why: str, after: Mode | None = None, request: str = "") -> Mode:
        """Switch; with `after` only if that is still the last switch. Gives what holds then."""
        new = Mode(mode, who, why, now(), request=request)
        with self._switching() as connection:
            if after and (last := _last(connection)) != after:
                return last or after
            return _add(connection, new)

    def add_late_switch(self, late: Mode, first: Mode) -> Mode:
        """Write a switch that was made while this database was away. Gives what holds then; repeating changes nothing.

        It never loosens: of it and of what holds here (`first` where nothing was ever switched) the stricter holds. It
        does not undo a later step up either, which somebody made knowing better.
        """
        with self._switching() as connection:
            last = _last(connection) or first
            same = [modes.c.at == late.at, modes.c.mode == late.mode, modes.c.who == late.who, modes.c.why == late.why]
            if connection.execute(select(modes.c.number).where(*same)).first():
                return last
            overruled = rank(last.mode) < rank(late.mode) or _stepped_up_since(connection, late, first)
            written = _add(connection, late)
            if not overruled:
                return written
            note = f"holds on after {late.mode} of {late.at:%Y-%m-%d %H:%M:%S}, which came late"
            return _add(connection, replace(last, why=f"{last.why} ({note})", at=last.at or now()))

    def add_outcomes(self, given: Sequence[Mapping[str, Any]], sender: Sender = UNKNOWN) -> dict[str, int]:
        """Write outcomes {prediction_id, outcome, at, correction}, all or none; gives how many were accepted, repeated
        and corrected, and how many name a prediction that is not known (yet).

        Raises OutcomeConflict.
        """
        for _ in range(TRIES):
            try:
                with self.connected() as connection:
                    return self._add_outcomes(connection, given, sender)
            except _Raced:
                continue
        raise StoreAway("others write the same outcomes just now")

    def _add_outcomes(
        self, connection: Connection, given: Sequence[Mapping[str, Any]], sender: Sender
    ) -> dict[str, int]:
        ids, received = {item["prediction_id"] for item in given}, now()
        columns = [outcomes.c[name] for name in REPLACED]
        known_now = select(*columns).where(outcomes.c.prediction_id.in_(ids)).order_by(outcomes.c.prediction_id)
        looked = connection.execute(known_now.with_for_update())  # in one order everywhere, or replicas wait in circles
        stored = {row["prediction_id"]: dict(row) for row in looked.mappings()}
        known, replaced, conflicts = dict(stored), [], {}
        count = {"accepted": 0, "repeated": 0, "corrected": 0}
        for position, item in enumerate(given):
            before = known.get(item["prediction_id"])
            if before and before["outcome"] == item["outcome"]:
                count["repeated"] += 1
                continue
            if before and not item["correction"]:
                conflicts[position] = before["outcome"]
                continue
            if before:
                replaced.append({name: before[name] for name in REPLACED} | {"replaced_at": received})
            known[item["prediction_id"]] = {
                **{name: item[name] for name in ("prediction_id", "outcome", "at")},
                "received_at": received,
                **sender.row(item["prediction_id"]),
            }
            count["corrected" if before else "accepted"] += 1
        if conflicts:
            raise OutcomeConflict(conflicts)
        if replaced:
            connection.execute(insert(outcome_history), replaced)
        if new := [item for id, item in sorted(known.items()) if id not in stored]:
            write = self._insert(outcomes).values(new).on_conflict_do_nothing().returning(outcomes.c.prediction_id)
            if len(connection.execute(write).all()) < len(new):
                raise _Raced
        for id in {item["prediction_id"] for item in replaced} & set(stored):
            connection.execute(update(outcomes).where(outcomes.c.prediction_id == id).values(known[id]))
        return count | {"unknown": self._unknown(connection, ids)}

    def add_feedback(self, given: Sequence[Mapping[str, Any]], sender: Sender = UNKNOWN) -> tuple[set[str], int]:
        """Write rows of the feedback table, `at` left out. Gives the ids that were not known before, and how many
        predictions are not known (yet)."""
        written = {item["id"]: {**item, "at": now(), **sender.row(item["prediction_id"])} for item in given}
        rows = [item for _, item in sorted(written.items())]
        write = self._insert(feedback).values(rows).on_conflict_do_nothing().returning(feedback.c.id)
        with self.connected() as connection:
            new = set(connection.execute(write).scalars())
            return new, self._unknown(connection, {item["prediction_id"] for item in given})

    def forget(self, before: datetime, progress: Callable[[dict[str, int]], object] = len) -> dict[str, int]:
        """Delete answers that were given, and outcomes and feedback that came, before this time; gives how many.
        The switches of the mode stay.

        Each FORGET_ROWS rows are a transaction of their own, so that nobody waits for long. An end in between leaves
        what is not deleted yet: the next call goes on. `progress` gets the numbers so far after each.
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

    def _unknown(self, connection: Connection, ids: set[str]) -> int:
        found = connection.execute(select(func.count()).where(predictions.c.id.in_(ids))).scalar_one()
        return len(ids) - int(found)

    def _insert(self, table: Table) -> Any:
        if self.engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as insert_or_not

            return insert_or_not(table)
        from sqlalchemy.dialects.sqlite import insert as insert_if_new

        return insert_if_new(table)

    @contextmanager
    def _switching(self) -> Iterator[Connection]:
        """One transaction; that of another who switches the mode comes before or after it."""
        with self.connected() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MODE_LOCK)))
            yield connection

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """One transaction."""
        with self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that only reads: it neither waits for those who write nor keeps them waiting."""
        with self._transaction(self._reader) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise explained(error) from error


def _last(connection: Connection) -> Mode | None:
    row = connection.execute(MODES_READ.order_by(modes.c.number.desc()).limit(1)).first()
    return _mode(row) if row else None


def _mode(row: Row[Any]) -> Mode:
    """A row that somebody wrote by hand may hold any word: what is no mode is the safest."""
    return Mode(row.mode if row.mode in MODES else SAFEST, row.who, row.why, row.at, row.number)


def _add(connection: Connection, new: Mode) -> Mode:
    """The stop must work with tables of before, which know no request."""
    values = {"mode": new.mode, "who": new.who, "why": new.why, "at": new.at}
    write = insert(modes).returning(modes.c.number)
    try:
        with connection.begin_nested():
            number = connection.execute(write.values(values | {"request": new.request or None})).scalar_one()
    except (OperationalError, ProgrammingError):
        number = connection.execute(write.values(values)).scalar_one()
    return replace(new, number=number)


def _stepped_up_since(connection: Connection, late: Mode, first: Mode) -> bool:
    """Did somebody step up after this switch? Both the row and its time must be later: clocks may differ."""
    before = first
    for row in connection.execute(MODES_READ.order_by(modes.c.number)):
        mode = _mode(row)
        if rank(mode.mode) > rank(before.mode) and row.number > late.number and late.at and row.at > late.at:
            return True
        before = mode
    return False
