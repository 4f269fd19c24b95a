"""A connection that answers within seconds or fails: SQLite or PostgreSQL, by URL."""

import contextlib
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from .errors import StoreUnavailableError
from .time_limits import WAIT

READING = "reading"  # execution option of a transaction that writes nothing
WORKS = (
    "postgresql://user@host:5432/database, postgresql://user@host1,host2/database or sqlite:///path"
)


def engine_of(url: str, wait: int = WAIT, lock_wait: int | None = None) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://user@host/database`; `wait`: seconds for a
    statement, and for a lock unless `lock_wait` says otherwise.

    Raises StoreUnavailableError for a URL of no database.
    """
    try:
        if url.startswith("postgres"):
            from .postgres import postgres_engine  # psycopg is not imported for SQLite

            return postgres_engine(url, wait, wait if lock_wait is None else lock_wait)
        return _sqlite_engine(make_url(url), wait)
    except (ArgumentError, ValueError):  # which may show a password
        raise StoreUnavailableError(
            f"ML_DATABASE_URL cannot be read as the URL of a database; what works: {WORKS}"
        ) from None


def _sqlite_engine(url: URL, wait: int) -> Engine:
    if url.database:
        with contextlib.suppress(OSError):  # the connection says what is wrong with it
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": min(wait, 60)}, pool_timeout=WAIT)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # so that BEGIN is ours, below
        _settle(connection, time.monotonic() + min(wait, 60))

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        # Who writes waits for the lock at the start, where waiting works. Who reads takes no lock
        # and waits for nobody.
        reads = connection.get_execution_options().get(READING, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _settle(connection: sqlite3.Connection, until: float) -> None:
    """Durable, and readable while it is written.

    This switch alone does not wait for another's lock by itself.
    """
    connection.execute("PRAGMA synchronous=FULL")
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            break


def now() -> datetime:
    """UTC, without saying so, as every time in the records."""
    return datetime.now(UTC).replace(tzinfo=None)
