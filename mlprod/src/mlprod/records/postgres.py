"""An engine for PostgreSQL: one server, several hosts, or a pooler.

The pooler may give each transaction another connection, like PgBouncer or RDS Proxy.
"""

import contextlib
import os
import re
import socket
import threading
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from .time_limits import RECYCLE, WAIT

HOSTS = re.compile(r"(?P<before>[^:/]+://(?:[^@]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<after>[/?].*)?")
HOST_AND_PORT = re.compile(r"\[?(?P<host>.*?)\]?(:(?P<port>[^:\]]*))?")
# libpq's name for the required kind of server
TARGET = "target_session_attrs"
WRITABLE = ("read-write", "primary")


class ServerReadOnlyError(SQLAlchemyError):
    """The connected server accepts no writes, like the old primary after a failover."""


class ServerSilentError(psycopg.OperationalError):
    """The server did not respond within the time limit."""


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection with a timeout of its own, because a server that hangs enforces none.

    `patience`: the seconds that one wait for the server may take.
    """

    patience = 5.0
    _given_up = False

    def wait(self, *arguments: Any, **named: Any) -> Any:
        timer = threading.Timer(self.patience, self._cut)
        timer.daemon = True
        timer.start()
        try:
            return super().wait(*arguments, **named)
        except psycopg.OperationalError as error:
            if self._given_up:
                raise ServerSilentError(
                    f"the server did not respond for {self.patience:g} s"
                ) from error
            raise
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._given_up = True
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.pgconn.socket)) as line,
        ):
            line.shutdown(socket.SHUT_RDWR)


def postgres_engine(url: str, wait: int, lock_wait: int) -> Engine:
    """Create an engine, as `engine_of` does. Options in the URL override the ones below."""
    given = parse_url(url)
    arguments: dict[str, Any] = {
        "connect_timeout": WAIT,
        "tcp_user_timeout": WAIT * 1_000,
        "keepalives_idle": WAIT,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        TARGET: WRITABLE[0],
    }
    arguments = {name: value for name, value in arguments.items() if name not in given.query}
    # The next connection of a pooler does not know a prepared statement.
    arguments["prepare_threshold"] = None
    engine = create_engine(
        given,
        connect_args=arguments,
        pool_timeout=WAIT,
        pool_recycle=RECYCLE,
        use_native_hstore=False,
    )
    event.listen(engine, "do_connect", lambda _, __, args, named: connect(wait + 2, *args, **named))
    writes = given.query.get(TARGET, WRITABLE[0]) in WRITABLE
    # Poolers refuse or lose the settings of a new connection, so each transaction sets its limits.
    limits = f"""
SELECT set_config('statement_timeout', '{wait}s', true),
  set_config('lock_timeout', '{lock_wait}s', true), set_config('timezone', 'UTC', true),
  current_setting('transaction_read_only')""".encode()

    @event.listens_for(engine, "checkout")
    def begin(connection: TimeoutConnection, record: ConnectionPoolEntry, _: Any) -> None:
        """Begin the transaction that a connection is checked out for.

        A pooled connection may be broken, or its server may be read-only now: it is replaced.
        """
        pooled, record.info["pooled"] = record.info.get("pooled", False), True
        try:
            row = connection.execute(limits).fetchone()
        except psycopg.Error as error:
            if pooled:
                raise DisconnectionError from error
            raise
        if writes and row and row[-1] == "on":
            if pooled:
                # The other connections lead to the same server.
                raise InvalidatePoolError
            raise ServerReadOnlyError(
                "the server accepts no writes: it is no longer the primary, or its disk is full"
            )

    return engine


def parse_url(url: str) -> URL:
    """Convert a URL for SQLAlchemy, which accepts libpq's list of hosts only in the query."""
    several: dict[str, str] = {}
    if result := HOSTS.fullmatch(url):
        places = [HOST_AND_PORT.fullmatch(place) for place in result["hosts"].split(",")]
        several = {
            part: ",".join(place[part] or "" for place in places if place)
            for part in ("host", "port")
        }
        url = result["before"] + (result["after"] or "")
    return make_url(url).set(drivername="postgresql+psycopg").update_query_dict(several)


def connect(patience: float, *arguments: Any, **named: Any) -> TimeoutConnection:
    """Connect like psycopg.connect, with a timeout of `patience` seconds for each wait."""
    connection = TimeoutConnection.connect(*arguments, **named)
    connection.patience = patience
    return connection
