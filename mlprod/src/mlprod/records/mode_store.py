"""The mode in the database: every switch is a row, and the last one applies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from ..modes import MODES, SAFEST
from .database import now
from .mode import ModeSwitch, rank
from .tables import modes
from .transactions import Transactions

# An arbitrary number: every switch of the mode takes this advisory lock.
MODE_LOCK = 7_302_051
# only columns that tables of every version have
MODES_READ = select(*(modes.c[name] for name in ("number", "at", "mode", "who", "why")))


class ModeStore(Transactions):
    """Reads and switches the mode."""

    def mode(self) -> ModeSwitch | None:
        """Return the last switch, or None if there is none. Does not wait for writers."""
        with self.reading() as connection:
            return _last(connection)

    def set_mode(
        self, mode: str, who: str, why: str, after: ModeSwitch | None = None, request: str = ""
    ) -> ModeSwitch:
        """Switch the mode; return the switch that applies then.

        With `after`, switch only if `after` is still the last switch.
        """
        new = ModeSwitch(mode, who, why, now(), request=request)
        with self._switching() as connection:
            if after and (last := _last(connection)) != after:
                return last or after
            return _add(connection, new)

    def add_late_switch(self, late: ModeSwitch, first: ModeSwitch) -> ModeSwitch:
        """Write a switch that was made while this database was down; return the one that applies.

        A second call changes nothing. The late switch never relaxes the mode: the stricter of it
        and of the current mode applies (`first` if there was no switch yet). It does not undo a
        later step up either, because the author of that step knew more.
        """
        with self._switching() as connection:
            last = _last(connection) or first
            same = [
                modes.c.at == late.at,
                modes.c.mode == late.mode,
                modes.c.who == late.who,
                modes.c.why == late.why,
            ]
            if connection.execute(select(modes.c.number).where(*same)).first():
                return last
            overruled = rank(last.mode) < rank(late.mode) or _stepped_up_since(
                connection, late, first
            )
            written = _add(connection, late)
            if not overruled:
                return written
            note = (
                f"still applies after {late.mode} of {late.at:%Y-%m-%d %H:%M:%S}, which came late"
            )
            return _add(connection, replace(last, why=f"{last.why} ({note})", at=last.at or now()))

    @contextmanager
    def _switching(self) -> Iterator[Connection]:
        """Open a transaction that excludes other switches of the mode."""
        with self.connected() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MODE_LOCK)))
            yield connection


def _last(connection: Connection) -> ModeSwitch | None:
    row = connection.execute(MODES_READ.order_by(modes.c.number.desc()).limit(1)).first()
    return _mode(row) if row else None


def _mode(row: Row[Any]) -> ModeSwitch:
    """Convert a row to a switch; an unknown mode, written by hand, counts as the safest."""
    return ModeSwitch(
        row.mode if row.mode in MODES else SAFEST, row.who, row.why, row.at, row.number
    )


def _add(connection: Connection, new: ModeSwitch) -> ModeSwitch:
    """Insert a switch.

    The kill switch must work with older tables too, which have no column `request`.
    """
    values = {"mode": new.mode, "who": new.who, "why": new.why, "at": new.at}
    write = insert(modes).returning(modes.c.number)
    try:
        with connection.begin_nested():
            number = connection.execute(
                write.values(values | {"request": new.request or None})
            ).scalar_one()
    except (OperationalError, ProgrammingError):
        number = connection.execute(write.values(values)).scalar_one()
    return replace(new, number=number)


def _stepped_up_since(connection: Connection, late: ModeSwitch, first: ModeSwitch) -> bool:
    """Return whether somebody stepped up after this switch.

    Both the row and its time must be later, because clocks may differ.
    """
    before = first
    for row in connection.execute(MODES_READ.order_by(modes.c.number)):
        mode = _mode(row)
        if (
            rank(mode.mode) > rank(before.mode)
            and row.number > late.number
            and late.at
            and row.at > late.at
        ):
            return True
        before = mode
    return False
