"""The mode in the database: every switch is a row, and the last one holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from ..modes import MODES, SAFEST
from .database import now
from .mode import Mode, rank
from .tables import modes
from .transactions import Transactions

MODE_LOCK = 7_302_051  # any number; everything that switches the mode takes it
MODES_READ = select(
    *(modes.c[name] for name in ("number", "at", "mode", "who", "why"))
)  # as all tables have them


class ModeStore(Transactions):
    """Reads and switches the mode."""

    def mode(self) -> Mode | None:
        """The mode that was set last; None when none ever was. It waits for nobody who writes."""
        with self.reading() as connection:
            return _last(connection)

    def set_mode(
        self, mode: str, who: str, why: str, after: Mode | None = None, request: str = ""
    ) -> Mode:
        """Switch; with `after` only if that is still the last switch. Gives what holds then."""
        new = Mode(mode, who, why, now(), request=request)
        with self._switching() as connection:
            if after and (last := _last(connection)) != after:
                return last or after
            return _add(connection, new)

    def add_late_switch(self, late: Mode, first: Mode) -> Mode:
        """Write a switch that was made while this database was away.

        Gives what holds then; repeating changes nothing.

        It never loosens: of it and of what holds here (`first` where nothing was ever switched) the
        stricter holds. It does not undo a later step up either, which somebody made knowing better.
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
            note = f"holds on after {late.mode} of {late.at:%Y-%m-%d %H:%M:%S}, which came late"
            return _add(connection, replace(last, why=f"{last.why} ({note})", at=last.at or now()))

    @contextmanager
    def _switching(self) -> Iterator[Connection]:
        """One transaction; that of another who switches the mode comes before or after it."""
        with self.connected() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MODE_LOCK)))
            yield connection


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
            number = connection.execute(
                write.values(values | {"request": new.request or None})
            ).scalar_one()
    except (OperationalError, ProgrammingError):
        number = connection.execute(write.values(values)).scalar_one()
    return replace(new, number=number)


def _stepped_up_since(connection: Connection, late: Mode, first: Mode) -> bool:
    """Did somebody step up after this switch?

    Both the row and its time must be later: clocks may differ.
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
