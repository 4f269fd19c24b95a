"""A connection that answers within seconds or fails: SQLite or PostgreSQL, by URL."""

import contextlib
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url

WAIT = 3  # seconds for a connection, a lock or a statement


LONG_WAIT = 3_600  # for work that nobody waits for: migrations, deletion


def engine_of(url: str, wait: int = WAIT) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://user@host/database`; `wait`: seconds for a statement."""
    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        arguments = {
            "connect_timeout": WAIT,
            "tcp_user_timeout": WAIT * 1_000,
            "keepalives_idle": WAIT,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "options": f"-c statement_timeout={wait}s -c lock_timeout={wait}s -c timezone=UTC",
        }
        from .postgres import connect

        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args=arguments,
            pool_pre_ping=True,
            pool_timeout=WAIT,
        )
        event.listen(engine, "do_connect", lambda _, __, args, named: connect(wait + 2, *args, **named))
        return engine
    if parsed.database:
        with contextlib.suppress(OSError):  # the connection says what is wrong with it
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": min(wait, 60)}, pool_timeout=WAIT)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # so that BEGIN is ours, below
        _settle(connection, time.monotonic() + min(wait, 60))

    @event.listens_for(engine, "begin")
    def lock(connection: Any) -> None:
        reads = connection.get_execution_options().get("reads")  # which a writer does not hold up
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")  # wait at the start, where waiting works

    return engine


def _settle(connection: sqlite3.Connection, until: float) -> None:
    """Durable, and readable while it is written. This switch alone does not wait for another's lock by itself."""
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
