"""Rows that nobody counted yet: which of them can be counted now, found without reading all of them
again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, select, tuple_, update

from .database import now
from .errors import StoreInterruptedError
from .outcome_stats import JOINS_WITHIN
from .pace import Pace
from .store import Store
from .tables import predictions

MOST = 1_000  # rows read, and taken, in one transaction
FIRST_AGE = timedelta(seconds=2)
SWEEP_PAUSE = timedelta(minutes=1)
SWEEP_SHARE = 20  # a sweep takes at most this part of the time

Place = tuple[datetime, str]  # of a row: when it came, and its key
START: Place = (datetime.min, "")


@dataclass
class Look:
    """A way through the rows, in the order in which they came.

    Those up to `place` were read when they had this age.
    """

    age: timedelta
    place: Place
    began: datetime
    next_at: datetime


@dataclass(frozen=True)
class Found:
    """Rows that a look read: where it is now, whether more follow, and the keys of those that can
    be counted.
    """

    look: Look
    place: Place
    more: bool
    ready: list[str]


class Waiting:
    """The rows of one table whose `counted_at` is empty.

    A row is read when it comes, and again when it is 2, 4, 8 … seconds old until it waited for
    JOINS_WITHIN: a million rows whose prediction never comes are read some twenty times each in a
    day, not every two seconds. New rows go first. A sweep over all finds what was there before this
    process, and what slipped through.
    """

    def __init__(self, table: Table, received: ColumnElement[datetime]) -> None:
        self.table, self.received = table, received
        self.key: ColumnElement[str] = next(iter(table.primary_key))
        self.more = False  # whether the last `take` left rows that can be read now
        began, ages = now(), [timedelta(0), FIRST_AGE]
        while ages[-1] * 2 < JOINS_WITHIN:
            ages.append(ages[-1] * 2)
        self._sweep = Look(timedelta(0), START, began, began)
        self._looks = [
            *(Look(age, (began - age, ""), began, began) for age in (*ages, JOINS_WITHIN)),
            self._sweep,
        ]
        self._pace = Pace(MOST)

    def take(self, store: Store, columns: list[ColumnElement[Any]]) -> list[Any]:
        """`columns` of rows whose prediction is known, or that waited in vain; each row is given to
        one process only.

        Raises StoreUnavailableError.
        """
        size, at = self._pace.size, now()
        try:
            result = self._read(store, size, at)
            rows = self._claim(store, [key for entry in result for key in entry.ready], columns)
        except StoreInterruptedError:
            self.more = self._pace.fail(size)
            if not self.more:
                raise
            return []
        self._pace.succeed()
        for item in result:  # only now: what could not be claimed is read again
            self._pass(item, at)
        self.more = any(element.more for element in result)
        return rows

    def _read(self, store: Store, size: int, at: datetime) -> list[Found]:
        """At most `size` rows."""
        result = []
        with store.reading() as connection:
            for poll in self._looks:
                if poll.next_at > at or size <= 0:
                    continue
                rows = connection.execute(self._query(poll, at - poll.age, size)).all()
                ready = [row.key for row in rows if row.known or row.received <= at - JOINS_WITHIN]
                place = (rows[-1].received, rows[-1].key) if rows else poll.place
                result.append(Found(poll, place, len(rows) == size, ready))
                size -= len(rows)
        return result

    def _pass(self, result: Found, at: datetime) -> None:
        poll = result.look
        poll.place = result.place
        if result.more:
            return
        if poll is self._sweep:
            pause = max(SWEEP_PAUSE, (at - poll.began) * SWEEP_SHARE)
            poll.place, poll.next_at, poll.began = START, at + pause, at + pause
        else:  # the older a row, the less it matters when exactly it is read again
            poll.next_at = at + min(poll.age / 8, SWEEP_PAUSE)

    def _query(self, poll: Look, until: datetime, size: int) -> Select[Any]:
        some = (
            select(
                self.key.label("key"), self.received.label("received"), self.table.c.prediction_id
            )
            .where(self.table.c.counted_at.is_(None), self.received <= until)
            .where(tuple_(self.received, self.key) > tuple_(*poll.place))
            .order_by(self.received, self.key)
            .limit(size)
            .subquery()
        )
        return (
            select(some.c.key, some.c.received, predictions.c.id.is_not(None).label("known"))
            .select_from(some.outerjoin(predictions, predictions.c.id == some.c.prediction_id))
            .order_by(some.c.received, some.c.key)
        )

    def _claim(self, store: Store, keys: list[str], columns: list[ColumnElement[Any]]) -> list[Any]:
        """Mark rows as counted, but those that another process marks at this moment."""
        if not keys:
            return []
        query = (
            select(self.key.label("key"), *columns)
            .select_from(
                self.table.outerjoin(predictions, predictions.c.id == self.table.c.prediction_id)
            )
            .where(self.key.in_(keys), self.table.c.counted_at.is_(None))
            .with_for_update(of=self.table, skip_locked=True)
        )
        with store.connected() as connection:
            rows = list(connection.execute(query).mappings())
            mine = self.key.in_([row["key"] for row in rows])
            connection.execute(update(self.table).where(mine).values(counted_at=now()))
        return rows
