"""Connections that cost more than they bring: too many, or too slow to send or to read."""

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .problems import Problem

MOST_CONNECTIONS = 2_000
MOST_PIPELINED = 100  # requests that wait on one connection for the one before
SLOW_SECONDS = 10.0  # for a whole request to come, or for an answer to go


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol, with the time at which a request began to come or an answer began to wait."""

    most = MOST_CONNECTIONS
    coming: float | None = None
    going: float | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.coming = time.monotonic()
        if len(self.connections) > self.most:
            full = Problem(503, f"{self.most} connections are open; try again", retry_after=1)
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
                b"content-type: application/problem+json\r\ncontent-length: %d\r\n\r\n%s" % (len(full.body), full.body)
            )
            transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.coming = time.monotonic()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.abort()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.coming = None

    def look(self, now: float) -> bool:
        """Cut the connection off when it is too slow; True if so."""
        waiting = self.transport.get_write_buffer_size() > 0
        self.going = (self.going or now) if waiting else None
        if min(self.coming or now, self.going or now) < now - SLOW_SECONDS:
            self.transport.abort()
            return True
        return False


class GuardedOps(Guarded):
    """For the second port, whose few callers must not use up what callers need."""

    most = 50
