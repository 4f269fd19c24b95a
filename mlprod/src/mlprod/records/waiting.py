"""A search for uncounted rows that can be counted now, without reading all of them each time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, select, tuple_, update

from .database import now
from .errors import StoreInterruptedError
from .outcome_stats import JOIN_WINDOW
from .pace import Pace
from .store import Store
from .tables import predictions

# rows that one transaction reads and claims
MAX_ROWS = 1_000
FIRST_AGE = timedelta(seconds=2)
SWEEP_PAUSE = timedelta(minutes=1)
# The pause after a sweep lasts at least this many times as long as the sweep.
SWEEP_SHARE = 20

# the position of a row: when it arrived, and its key
Place = tuple[datetime, str]
START: Place = (datetime.min, "")


@dataclass
class Scan:
    """A pass over the rows in the order of their arrival.

    It has read the rows up to `place` when they were `age` old.
    """

    age: timedelta
    place: Place
    began: datetime
    next_at: datetime


@dataclass(frozen=True)
class ScanResult:
    """The rows that a scan read: its new place, whether more follow, and the keys of the rows that
    can be counted.
    """

    scan: Scan
    place: Place
    more: bool
    ready: list[str]


class UncountedRows:
    """The rows of one table whose `counted_at` is empty.

    A row is read when it arrives, and again when it is 2, 4, 8 … seconds old, up to JOIN_WINDOW. So
    a million rows whose prediction never arrives are read some twenty times a day each, and not
    every two seconds. New rows come first. A sweep over all rows finds those from before this
    process and those that the scans missed.
    """

    def __init__(self, table: Table, received: ColumnElement[datetime]) -> None:
        self.table, self.received = table, received
        self.key: ColumnElement[str] = next(iter(table.primary_key))
        # whether the last `claim` left rows that can be read now
        self.more = False
        began, ages = now(), [timedelta(0), FIRST_AGE]
        while ages[-1] * 2 < JOIN_WINDOW:
            ages.append(ages[-1] * 2)
        self._sweep = Scan(timedelta(0), START, began, began)
        self._scans = [
            *(Scan(age, (began - age, ""), began, began) for age in (*ages, JOIN_WINDOW)),
            self._sweep,
        ]
        self._pace = Pace(MAX_ROWS)

    def claim(self, store: Store, columns: list[ColumnElement[Any]]) -> list[Any]:
        """Claim rows whose prediction is known, or that waited for JOIN_WINDOW.

        Returns their `columns`. Only one process claims each row. Raises StoreUnavailableError.
        """
        size, at = self._pace.size, now()
        try:
            result = self._read(store, size, at)
            rows = self._mark_counted(
                store, [key for entry in result for key in entry.ready], columns
            )
        except StoreInterruptedError:
            self.more = self._pace.fail(size)
            if not self.more:
                raise
            return []
        self._pace.succeed()
        # Only after the claim: the rows of a failed claim are read again.
        for item in result:
            self._advance(item, at)
        self.more = any(element.more for element in result)
        return rows

    def _read(self, store: Store, size: int, at: datetime) -> list[ScanResult]:
        """Read at most `size` rows."""
        result = []
        with store.reading() as connection:
            for scan in self._scans:
                if scan.next_at > at or size <= 0:
                    continue
                rows = connection.execute(self._query(scan, at - scan.age, size)).all()
                ready = [row.key for row in rows if row.known or row.received <= at - JOIN_WINDOW]
                place = (rows[-1].received, rows[-1].key) if rows else scan.place
                result.append(ScanResult(scan, place, len(rows) == size, ready))
                size -= len(rows)
        return result

    def _advance(self, result: ScanResult, at: datetime) -> None:
        scan = result.scan
        scan.place = result.place
        if result.more:
            return
        if scan is self._sweep:
            pause = max(SWEEP_PAUSE, (at - scan.began) * SWEEP_SHARE)
            scan.place, scan.next_at, scan.began = START, at + pause, at + pause
        else:
            # The older a row, the less the exact time of the next read matters.
            scan.next_at = at + min(scan.age / 8, SWEEP_PAUSE)

    def _query(self, scan: Scan, until: datetime, size: int) -> Select[Any]:
        some = (
            select(
                self.key.label("key"), self.received.label("received"), self.table.c.prediction_id
            )
            .where(self.table.c.counted_at.is_(None), self.received <= until)
            .where(tuple_(self.received, self.key) > tuple_(*scan.place))
            .order_by(self.received, self.key)
            .limit(size)
            .subquery()
        )
        return (
            select(some.c.key, some.c.received, predictions.c.id.is_not(None).label("known"))
            .select_from(some.outerjoin(predictions, predictions.c.id == some.c.prediction_id))
            .order_by(some.c.received, some.c.key)
        )

    def _mark_counted(
        self, store: Store, keys: list[str], columns: list[ColumnElement[Any]]
    ) -> list[Any]:
        """Mark rows as counted and return them, except those that another process marks now."""
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
