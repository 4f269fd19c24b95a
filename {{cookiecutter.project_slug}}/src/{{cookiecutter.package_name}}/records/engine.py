"""A connection that answers within seconds or fails: SQLite or PostgreSQL, by URL."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url

WAIT = 3  # seconds for a connection, a lock or a statement


def engine_of(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://user@host/database`."""
    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        arguments = {
            "connect_timeout": WAIT,
            "tcp_user_timeout": WAIT * 1_000,
            "options": f"-c statement_timeout={WAIT}s -c lock_timeout={WAIT}s -c timezone=UTC",
        }
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args=arguments,
            pool_pre_ping=True,
            pool_timeout=WAIT,
        )
    if parsed.database:
        with contextlib.suppress(OSError):  # the connection says what is wrong with it
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": WAIT}, pool_timeout=WAIT)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # so that BEGIN is ours, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def lock(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # wait for a lock at the start, where waiting works

    return engine


def now() -> datetime:
    """UTC, without saying so, as every time in the records."""
    return datetime.now(UTC).replace(tzinfo=None)
