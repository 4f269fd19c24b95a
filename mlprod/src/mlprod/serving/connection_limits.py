"""Limits of a connection: size of a request's head, and time for a request and its answer."""

import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .connection_places import Places
from .problems import ProblemError
from .request_head import MAX_HEAD_BYTES, MAX_HEADERS, head_bytes, plain_head, too_large

MAX_CONNECTIONS = 2_000
# Connections of the admin port. Its few callers must not use the handles that callers need.
MAX_ADMIN_CONNECTIONS = 50
MAX_PIPELINED = 100  # requests that wait on one connection for the request before
SLOW_SECONDS = 10.0  # to receive a whole request, or to send an answer
LINGER_SECONDS = 2.0  # for a refused caller to read the reason
LINGER_BYTES = 1_000_000


class LimitedProtocol(HttpToolsProtocol):
    """HTTP protocol of uvicorn with limits.

    `coming`: start of the request that is being received. `going`: time since when the caller has
    not read an answer. `pending`: bytes received since the last complete part of the message.
    """

    coming: float | None = None
    going: float | None = None
    chunk = pending = 0
    refused = False
    plain_head = b""  # of a request that asks for another protocol

    def __init__(self, places: Places, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.places = places

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.coming = time.monotonic()
        if len(self.connections) > self.places.limit and not self.places.free_one():
            self._write(
                ProblemError(
                    503,
                    f"{self.places.limit} requests are being answered; try again",
                    retry_after=1,
                )
            )
            transport.close()
        else:
            self.places.strangers[self] = self.places.open[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.places.leave(self)
        self.places.open.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Parse data as uvicorn does, and limit the bytes that belong to no body."""
        if self.refused:
            self.pending += len(data)
            if self.pending > LINGER_BYTES:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        if self.coming is None:
            self.coming = time.monotonic()
        self.chunk = len(data)
        self.pending += self.chunk
        rest: bytes | memoryview = data
        try:
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(
                cause
                if isinstance(cause, ProblemError)
                else ProblemError(400, "the request is not valid HTTP/1.1; send HTTP/1.1")
            )
            return
        if self.pending > MAX_HEAD_BYTES:
            self._refuse(too_large())

    def _feed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse data and return the rest.

        A request may ask for another protocol, as Java's client does with its first body. Another
        parser reads such a request again without that header, because the first parser would skip
        the body and stop.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            head, self.plain_head = self.plain_head, b""
            self.parser = httptools.HttpRequestParser(self)
            # uvicorn sets the same option
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)
            return memoryview(data)[upgrade.args[0] :]
        return b""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.coming = time.monotonic()

    def on_headers_complete(self) -> None:
        if len(self.headers) > MAX_HEADERS or (
            self.pending + self.chunk > MAX_HEAD_BYTES
            and head_bytes(self.url, self.headers) > MAX_HEAD_BYTES
        ):
            raise too_large()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ProblemError(
                400,
                f"{MAX_PIPELINED} requests already wait on this connection; "
                "wait for their answers, or open another connection",
            )
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            method, version = self.parser.get_method(), self.parser.get_http_version()
            self.plain_head = plain_head(method, self.url, version, self.headers)
            return
        self.pending = 0
        super().on_headers_complete()
        # an empty list for trailers, which must not become headers of the request
        self.headers = []
        self.places.leave(self)

    def on_body(self, body: bytes) -> None:
        self.pending = 0
        super().on_body(body)

    def on_chunk_header(self) -> None:
        self.pending = 0

    def on_message_complete(self) -> None:
        if self.plain_head:
            return
        super().on_message_complete()
        self.coming, self.pending = None, 0

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.pipeline:
            # serve the requests that wait before reading more
            self.flow.pause_reading()
        elif last:
            known = "caller" in self.cycle.scope["state"]
            (self.places.callers if known else self.places.strangers)[self] = None

    def cut_off(self, now: float) -> bool:
        """Close the connection if it is too slow; return whether it was closed."""
        waiting = self.transport.get_write_buffer_size() > 0
        self.going = (self.going or now) if waiting else None
        if min(self.coming or now, self.going or now) < now - SLOW_SECONDS:
            self.transport.abort()
            return not self.refused
        return False

    def _refuse(self, problem: ProblemError) -> None:
        """Send a problem before the request is read to its end, and close the connection.

        While another answer is being sent, only close the connection.
        """
        cycle = self.cycle
        if cycle and not cycle.response_complete:
            if self.pipeline or cycle.response_started or not cycle.more_body:
                self.transport.abort()
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.is_closing():
            return
        self.places.refused[problem.status] += 1
        self.refused, self.pending, self.headers = True, 0, []
        self.coming = time.monotonic() - SLOW_SECONDS + LINGER_SECONDS
        self._write(problem)
        self.transport.write_eof()

    def _write(self, problem: ProblemError) -> None:
        body = problem.body
        headers = [
            *problem.headers,
            (b"connection", b"close"),
            (b"content-length", b"%d" % len(body)),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"%s%s\r\n%s" % (STATUS_LINE[problem.status], lines, body))
