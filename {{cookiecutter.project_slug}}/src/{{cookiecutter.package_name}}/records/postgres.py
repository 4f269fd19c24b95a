"""A connection to PostgreSQL that gives up when the server says nothing at all: a server that hangs cannot keep its own
time limit."""

import contextlib
import os
import socket
import threading
from typing import Any

import psycopg


class Timed(psycopg.Connection[Any]):
    """`patience`: seconds that any one wait for the server may take."""

    patience = 5.0

    def wait(self, *arguments: Any, **named: Any) -> Any:
        watch = threading.Timer(self.patience, self._cut)
        watch.daemon = True
        watch.start()
        try:
            return super().wait(*arguments, **named)
        finally:
            watch.cancel()

    def _cut(self) -> None:
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


def connect(patience: float, *arguments: Any, **named: Any) -> Timed:
    """As psycopg.connect."""
    connection = Timed.connect(*arguments, **named)
    connection.patience = patience
    return connection
