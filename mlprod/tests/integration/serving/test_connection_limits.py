"""Limits of connections, tested over sockets."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import uvicorn
from conftest import eventually

from mlprod.serving import connection_limits
from mlprod.serving.connection_limits import LimitedProtocol
from mlprod.serving.connection_places import Places
from mlprod.serving.metrics import Metrics
from mlprod.serving.port_servers import LimitedServer
from mlprod.serving.request_head import MAX_HEAD_BYTES, MAX_HEADERS

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n"
KEYED = b"GET /keyed HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
LONG = b"x: " + b"y" * MAX_HEAD_BYTES


class App:
    """Answers with the length of the body.

    /wait answers when the test lets it; /keyed answers as to a caller with a key.
    """

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.waiting = 0
        self.let_go = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/keyed":
            scope["state"]["caller"] = "checkout"
        if scope["path"] == "/wait":
            self.waiting += 1
            await asyncio.to_thread(self.let_go.wait, 30)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.headers = list(scope["headers"])
        length = b"%d" % len(body)
        headers = [(b"content-length", b"%d" % len(length))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": length})


class Port:
    """A server with places for `limit` connections."""

    def __init__(self, limit: int, cuts_answers: bool) -> None:
        self.app, self.places, self.metrics = (
            App(),
            Places(limit, cuts_answers),
            Metrics(zero_seconds=0),
        )
        config = uvicorn.Config(
            self.app,
            port=0,
            lifespan="off",
            log_config=None,
            ws="none",
            # uvicorn calls any callable
            http=partial(LimitedProtocol, self.places),  # type: ignore[arg-type]
        )
        self.server = LimitedServer(config, self.places, self.metrics)
        self.made: list[socket.socket] = []

    def connect(self, content: bytes = b"") -> socket.socket:
        """A connection that the server knows, with `content` sent."""
        known = len(self.server.server_state.connections)
        made = socket.create_connection(self.server.servers[0].sockets[0].getsockname(), timeout=20)
        self.made.append(made)
        if known < self.places.limit:
            eventually(lambda: len(self.server.server_state.connections) > known)
        with contextlib.suppress(OSError):
            made.sendall(content)
        return made

    def hang_up(self) -> None:
        for made in self.made:
            made.close()

    def shed(self, reason: str) -> float:
        return (
            self.metrics.registry.get_sample_value("ml_requests_shed_total", {"reason": reason})
            or 0.0
        )


@pytest.fixture
def ports() -> Iterator[Callable[..., Port]]:
    with contextlib.ExitStack() as stack:

        def start(limit: int = 100, cuts_answers: bool = False) -> Port:
            port = Port(limit, cuts_answers)
            thread = threading.Thread(target=port.server.run)
            thread.start()
            stack.callback(thread.join, 20)
            stack.callback(setattr, port.server, "should_exit", True)
            stack.callback(port.hang_up)
            stack.callback(port.app.let_go.set)
            eventually(lambda: port.server.started)
            return port

        yield start


def answers(made: socket.socket, number: int = 1) -> list[bytes]:
    """Read `number` answers with status 200."""
    content = b""
    while content.count(b"HTTP/1.1 200") < number or not content.endswith(b"\r\n\r\n0"):
        part = made.recv(65_536)
        assert part, content
        content += part
    return content.split(b"HTTP/1.1 ")[1:]


def ending(made: socket.socket) -> bytes:
    """Read until the connection is closed."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while part := made.recv(65_536):
            content += part
    return content


def is_open(made: socket.socket) -> bool:
    """Return whether the connection gets an answer."""
    made.sendall(GET)
    return bool(answers(made))


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n" + LONG,
        b"GET / HTTP/1.1\r\n" + LONG + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x" * MAX_HEAD_BYTES,
        b"GET /" + b"x" * MAX_HEAD_BYTES,
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES,
        GET + b"GET / HTTP/1.1\r\n" + LONG + b"\r\n\r\n",
        b"\r\n" * MAX_HEAD_BYTES,
    ],
)
@pytest.mark.parametrize("piece", [1_000, 1_000_000])
def test_a_head_that_is_too_large_is_refused_and_the_connection_closed(
    ports: Callable[..., Port], content: bytes, piece: int
) -> None:
    port = ports()
    made = port.connect()
    first = content.startswith(GET)
    if first:
        made.sendall(GET)
        answers(made)
        content = content.removeprefix(GET)
    for start in range(0, len(content), piece):
        with contextlib.suppress(ConnectionError):
            made.sendall(content[start : start + piece])
    head, _, body = ending(made).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json" in head
    assert "32,768 bytes and 100 headers" in json.loads(body)["detail"]
    assert len(port.app.bodies) == first
    counted = b'ml_requests_total{route="unknown",status="431"} 1.0'
    eventually(lambda: counted in port.metrics.exposition())


def test_a_head_within_its_limits_is_read_with_any_body(
    ports: Callable[..., Port],
) -> None:
    made = ports().connect()
    lines = b"x: y\r\n" * (MAX_HEADERS - 2) + b"y: " + b"z" * (MAX_HEAD_BYTES - 2_000) + b"\r\n"
    length = 500_000
    made.sendall(
        b"POST / HTTP/1.1\r\ncontent-length: %d\r\n%s\r\n" % (length, lines)
        + bytes(length)
        + GET * 50
    )
    content = answers(made, 51)
    assert content[0].endswith(b"\r\n\r\n500000")


def test_a_body_of_many_small_chunks_is_read(ports: Callable[..., Port]) -> None:
    made = ports().connect(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    assert made.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begins", [b"0\r\n", b"0;x=", b"2\r\nxx\r\n0\r\nx: ", b"1;"])
def test_endless_trailers_or_chunk_headers_are_cut_off(
    ports: Callable[..., Port], begins: bytes
) -> None:
    port = ports()
    made = port.connect(CHUNKED + begins)
    rest = b"x: y\r\n" if begins.endswith(b"\n") else b"y" * 8
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            made.sendall(rest * 1_000)
    assert b" 200 " not in ending(made)
    assert not port.app.bodies


def test_stray_bytes_after_an_answer_do_not_keep_a_connection_open(
    ports: Callable[..., Port], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "SLOW_SECONDS", 0.5)
    port = ports()
    made = port.connect(GET)
    answers(made)
    made.sendall(b"\r\n")
    assert ending(made) == b""
    eventually(lambda: port.shed("slow") == 1)


def test_a_request_for_another_protocol_is_answered_by_http(
    ports: Callable[..., Port],
) -> None:
    """Java's client requests HTTP/2 in its first request, with a body."""
    port = ports()
    upgrade = (
        b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: "
        b"AAEAAEAAAAIAAAAB\r\n"
    )
    post = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
    made = port.connect(post + upgrade + b"\r\n{}")
    assert made.recv(65_536).startswith(b"HTTP/1.1 200")
    made.sendall(GET.replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n") * 3 + GET)
    assert len(answers(made, 4)) == 4
    for piece in (post, upgrade[:30], upgrade[30:] + b"\r\n{", b"}", GET):
        made.sendall(piece)
        time.sleep(0.02)
    assert len(answers(made, 2)) == 2
    assert port.app.bodies == [b"{}", *[b""] * 4, b"{}", b""]


def test_when_all_places_are_taken_the_connection_that_waits_longest_makes_room(
    ports: Callable[..., Port],
) -> None:
    port = ports(5)
    silent = [port.connect() for _ in range(3)]
    begun = port.connect(GET[:10])
    last = port.connect()
    for oldest in (*silent, begun):
        made = port.connect(GET)
        assert answers(made)
        assert ending(oldest) == b""
    assert is_open(last)
    assert is_open(made)
    eventually(lambda: port.shed("connections") == 4)


def test_a_connection_with_an_active_request_is_never_closed_for_another(
    ports: Callable[..., Port],
) -> None:
    port = ports(3)
    busy = [port.connect(WAIT) for _ in range(3)]
    eventually(lambda: port.app.waiting == 3)
    for _ in range(2):
        refused = ending(port.connect())
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in refused
    port.app.let_go.set()
    assert all(map(answers, busy))
    assert answers(port.connect(GET))


def test_callers_with_a_key_are_closed_last(ports: Callable[..., Port]) -> None:
    port = ports(4)
    callers = [port.connect(KEYED) for _ in range(2)]
    for caller in callers:
        answers(caller)
    strangers = [port.connect(GET) for _ in range(2)]
    for stranger in strangers:
        answers(stranger)
    for number in range(10):
        made = port.connect(KEYED if number == 9 else GET)
        answers(made)
    assert [is_open(caller) for caller in callers] == [True, True]


def test_waiting_requests_are_answered_before_more_is_read(
    ports: Callable[..., Port],
) -> None:
    port = ports()
    made = port.connect(WAIT + GET * 20)
    eventually(lambda: port.app.waiting == 1)
    (connection,) = port.server.server_state.connections
    assert isinstance(connection, LimitedProtocol)
    eventually(lambda: len(connection.pipeline) == 20)
    made.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(100_000):
            made.send(GET * 100)
    time.sleep(0.2)
    assert len(connection.pipeline) <= connection_limits.MAX_PIPELINED
    port.app.let_go.set()


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_trailer_does_not_become_a_header_of_the_request(
    ports: Callable[..., Port], pieces: int
) -> None:
    port = ports()
    head, body = CHUNKED[:-2] + b"authorization: Bearer ours\r\n\r\n", b"2\r\n{}\r\n0\r\n"
    trailer = b"authorization: Bearer theirs\r\nx-request-id: theirs\r\n\r\n"
    made = port.connect()
    for content in (head + body + trailer,) if pieces == 1 else (head + body, trailer):
        made.sendall(content)
        time.sleep(0.05)
    assert made.recv(65_536).startswith(b"HTTP/1.1 200")
    assert [value for name, value in port.app.headers if name == b"authorization"] == [
        b"Bearer ours"
    ]
    assert b"x-request-id" not in dict(port.app.headers)


def test_a_request_for_another_protocol_is_ignored_when_the_connection_is_to_end(
    ports: Callable[..., Port],
) -> None:
    port = ports()
    head = CHUNKED[:-2] + b"upgrade: h2c\r\nconnection: upgrade, close\r\n\r\n"
    made = port.connect(head)
    made.sendall(b"2\r\n{}\r\n0\r\n\r\n")
    assert ending(made).startswith(b"HTTP/1.1 200")
    assert port.app.bodies == [b"{}"]


@pytest.mark.parametrize("chunk", [b"-1\r\n", b"zz\r\n", b"2\r\n{}xx"])
def test_a_body_that_becomes_invalid_is_answered_with_the_reason(
    ports: Callable[..., Port], chunk: bytes
) -> None:
    port = ports()
    made = port.connect(CHUNKED + chunk)
    assert ending(made).startswith(b"HTTP/1.1 400 ")
    assert not port.app.bodies


def test_the_problem_of_invalid_data_is_not_the_answer_of_the_request_before(
    ports: Callable[..., Port],
) -> None:
    port = ports()
    made = port.connect(WAIT + b"nonsense")
    assert b"HTTP/1.1 400" not in ending(made)


def test_the_admin_port_always_has_a_place_for_a_probe(
    ports: Callable[..., Port],
) -> None:
    port = ports(3, cuts_answers=True)
    busy = [port.connect(WAIT) for _ in range(3)]
    eventually(lambda: port.app.waiting == 3)
    # the first probe takes the oldest place, and each later one that of the probe before
    for _ in range(3):
        assert answers(port.connect(GET))
    assert ending(busy[0]) == b""
    port.app.let_go.set()
    assert all(map(answers, busy[1:]))
