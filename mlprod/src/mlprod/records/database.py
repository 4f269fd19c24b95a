"""Connections to SQLite or PostgreSQL, by URL, that respond or fail within seconds."""

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

# the execution option of a transaction that only reads
READING = "reading"
URL_EXAMPLES = (
    "postgresql://user@host:5432/database, postgresql://user@host1,host2/database or sqlite:///path"
)


def engine_of(url: str, wait: int = WAIT, lock_wait: int | None = None) -> Engine:
    """Create an engine for `sqlite:///path` or `postgresql://user@host/database`.

    `wait`: the seconds that a statement may take. `lock_wait`: the seconds to wait for a lock, by
    default the same.

    Raises StoreUnavailableError if the URL does not name a database.
    """
    try:
        if url.startswith("postgres"):
            # imported here, so that SQLite works without psycopg
            from .postgres import postgres_engine

            return postgres_engine(url, wait, wait if lock_wait is None else lock_wait)
        return _sqlite_engine(make_url(url), wait)
    except (ArgumentError, ValueError):
        # The URL is not part of the message, because it may contain a password.
        raise StoreUnavailableError(
            f"ML_DATABASE_URL is not the URL of a database; what works: {URL_EXAMPLES}"
        ) from None


def _sqlite_engine(url: URL, wait: int) -> Engine:
    if url.database:
        # If this fails, the connection fails too, with the reason.
        with contextlib.suppress(OSError):
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": min(wait, 60)}, pool_timeout=WAIT)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        # sqlite3 begins no transaction: `lock` below does.
        connection.isolation_level = None
        _set_journal_mode(connection, time.monotonic() + min(wait, 60))

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        # A writer takes the lock at the start, because SQLite honors the timeout only there. A
        # reader takes no lock and never waits.
        reads = connection.get_execution_options().get(READING, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _set_journal_mode(connection: sqlite3.Connection, until: float) -> None:
    """Make writes durable, and let others read during a write.

    The switch to WAL ignores the timeout of the connection, so this function retries it.
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
    """Return the current time in UTC without a time zone, like every time in the records."""
    return datetime.now(UTC).replace(tzinfo=None)
