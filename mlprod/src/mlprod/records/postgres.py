"""An engine for PostgreSQL, alone, as one of several hosts, or behind a pooler that gives each
transaction another connection (PgBouncer, RDS Proxy).
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
PLACE = re.compile(r"\[?(?P<host>.*?)\]?(:(?P<port>[^:\]]*))?")
TARGET = "target_session_attrs"  # libpq's name for the kind of server that is wanted
WRITABLE = ("read-write", "primary")


class ServerReadOnlyError(SQLAlchemyError):
    """A connection leads to a server that takes no writes, as the old primary does after a
    failover.
    """


class ServerSilentError(psycopg.OperationalError):
    """The server said nothing for longer than it may."""


class TimeoutConnection(psycopg.Connection[Any]):
    """Gives up when the server says nothing at all: a server that hangs cannot keep its own time
    limit.

    `patience`: seconds that any one wait for the server may take.
    """

    patience = 5.0
    _given_up = False

    def wait(self, *arguments: Any, **named: Any) -> Any:
        watch = threading.Timer(self.patience, self._cut)
        watch.daemon = True
        watch.start()
        try:
            return super().wait(*arguments, **named)
        except psycopg.OperationalError as error:
            if self._given_up:
                raise ServerSilentError(
                    f"the server said nothing for {self.patience:g} s"
                ) from error
            raise
        finally:
            watch.cancel()

    def _cut(self) -> None:
        self._given_up = True
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.pgconn.socket)) as line,
        ):
            line.shutdown(socket.SHUT_RDWR)


def postgres_engine(url: str, wait: int, lock_wait: int) -> Engine:
    """As engine_of. What the URL says of a connection itself goes before what is said here."""
    given = url_of(url)
    arguments: dict[str, Any] = {
        "connect_timeout": WAIT,
        "tcp_user_timeout": WAIT * 1_000,
        "keepalives_idle": WAIT,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        TARGET: WRITABLE[0],
    }
    arguments = {name: value for name, value in arguments.items() if name not in given.query}
    arguments["prepare_threshold"] = (
        None  # a prepared statement is unknown to the pooler's next connection
    )
    engine = create_engine(
        given,
        connect_args=arguments,
        pool_timeout=WAIT,
        pool_recycle=RECYCLE,
        use_native_hstore=False,
    )
    event.listen(engine, "do_connect", lambda _, __, args, named: connect(wait + 2, *args, **named))
    writes = given.query.get(TARGET, WRITABLE[0]) in WRITABLE
    # Poolers refuse or lose what is set when a connection begins, so each transaction sets its own
    # limits.
    limits = f"""
SELECT set_config('statement_timeout', '{wait}s', true), set_config('lock_timeout', '{lock_wait}s', true),
  set_config('timezone', 'UTC', true), current_setting('transaction_read_only')""".encode()

    @event.listens_for(engine, "checkout")
    def begin(connection: TimeoutConnection, record: ConnectionPoolEntry, _: Any) -> None:
        """Begin the transaction that a connection is taken for.

        One that was kept may be cut, or lead to a server that only reads by now: it is replaced.
        """
        stored, record.info["kept"] = record.info.get("kept", False), True
        try:
            row = connection.execute(limits).fetchone()
        except psycopg.Error as error:
            if stored:
                raise DisconnectionError from error
            raise
        if writes and row and row[-1] == "on":
            if stored:
                raise InvalidatePoolError  # the others lead there too
            raise ServerReadOnlyError(
                "the server takes no writes: it was a primary, or its disk is full"
            )

    return engine


def url_of(url: str) -> URL:
    """A URL for SQLAlchemy, which takes several hosts, as libpq separates them by commas, in the
    query only.
    """
    several: dict[str, str] = {}
    if result := HOSTS.fullmatch(url):
        places = [PLACE.fullmatch(place) for place in result["hosts"].split(",")]
        several = {
            part: ",".join(place[part] or "" for place in places if place)
            for part in ("host", "port")
        }
        url = result["before"] + (result["after"] or "")
    return make_url(url).set(drivername="postgresql+psycopg").update_query_dict(several)


def connect(patience: float, *arguments: Any, **named: Any) -> TimeoutConnection:
    """As psycopg.connect."""
    connection = TimeoutConnection.connect(*arguments, **named)
    connection.patience = patience
    return connection
