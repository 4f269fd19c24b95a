import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from conftest import Trained, assemble, eventually, point
from seams import PARCEL, binary

from mlprod.client import Answer, Client, RequestRejectedError
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings

NOON = "2026-01-31T12:00:00Z"
# Seconds, for tests that do not depend on time.
PATIENT = 20.0
HASTY = 0.3


def careful(row: Any) -> str:
    return "by hand"


@contextmanager
def listening(settings: Settings, port: int = 0) -> Iterator[int]:
    """Run a real service; yield its port."""
    assembly = assemble(binary, settings)
    server = uvicorn.Server(uvicorn.Config(assembly.service, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(
            lambda: server.started and assembly.keeper.checked and assembly.mode_state.checked
        )
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


class Scripted(ThreadingHTTPServer):
    """A service or a proxy that follows a script.

    There is one act for each request; the last one serves all further requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Acting)
        self.acts: list[Callable[[Acting], None]] = []
        self.bodies: list[Any] = []
        self.keys: list[str] = []
        self.over = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing on callers that left."""

    def called(self, seconds: float = PATIENT, key: str = "k", prefix: str = "") -> Client:
        return Client(f"http://127.0.0.1:{self.server_port}{prefix}", key, careful, seconds)


class Acting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["authorization"])
        acts = self.server.acts
        (acts.pop(0) if len(acts) > 1 else acts[0])(self)

    def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"content-length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def good(request: Acting) -> None:
    rows = request.server.bodies[-1].get("rows", [])
    result = [{"id": row["id"], "score": 0.9, "decision": "call"} for row in rows]
    message = {"model_version": "7", "arm": "champion", "mode": "assist", "predictions": result}
    request.send(200, json.dumps(message).encode())


def responds(status: int, content: object = None, **headers: str) -> Callable[[Acting], None]:
    received = (
        content
        if isinstance(content, bytes)
        else json.dumps(content or {"status": status, "detail": "so"}).encode()
    )
    return lambda request: request.send(
        status, received, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def hangs(request: Acting) -> None:
    request.server.over.wait(30)
    request.close_connection = True


def trickles(request: Acting) -> None:
    """Send a byte at a time, each well within the time limit of a byte."""
    request.send_response(200)
    request.send_header("content-length", "1000000")
    request.end_headers()
    for _ in range(400):
        request.wfile.write(b" ")
        if request.server.over.wait(0.05):
            break
    request.close_connection = True


def resets(request: Acting) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.close(request.connection.detach())
    request.close_connection = True


def stops_halfway(request: Acting) -> None:
    request.send_response(200)
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b'{"model_version": "7", ')
    request.close_connection = True


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize(
    "act",
    [
        responds(503, retry_after="0"),
        responds(502, b"<html>Bad gateway</html>"),
        responds(504, b""),
        responds(429, retry_after="soon"),
        responds(500),
        responds(200, b"<html>Log in first</html>"),
        responds(200, b"[]"),
        responds(200, b"\xff\xfe"),
        responds(302, b"", location="http://127.0.0.1:9/"),
        resets,
        stops_halfway,
    ],
)
def test_a_temporary_failure_is_retried_as_the_same_prediction(
    scripted: Scripted, act: Callable[[Acting], None]
) -> None:
    scripted.acts = [act, good]
    with closing(scripted.called()) as client:
        first, second = client.predict([PARCEL, PARCEL | {"id": "mine"}])
    assert (first.decision, first.by, first.score, first.model_version) == (
        "call",
        "model",
        0.9,
        "7",
    )
    assert second.id == "mine"
    assert len(scripted.bodies) == 2
    assert scripted.bodies[0] == scripted.bodies[1]
    assert scripted.bodies[0]["rows"][0]["id"] == first.id


@pytest.mark.parametrize(
    "act",
    [
        responds(503, retry_after="3600"),
        responds(503),
        responds(500),
        hangs,
        trickles,
        resets,
        responds(200, b"nonsense"),
        responds(200, {"predictions": "none"}),
        responds(200, {"model_version": "7", "predictions": [{"id": "a"}]}),
        responds(200, {"model_version": "7", "predictions": []}),
    ],
)
def test_without_an_answer_in_time_the_fallback_decides(
    scripted: Scripted, act: Callable[[Acting], None]
) -> None:
    scripted.acts = [act]
    with closing(scripted.called(HASTY)) as client:
        began = time.monotonic()
        assert client.predict([PARCEL]) == [Answer("by hand", "fallback")]
        # The allowed time on a slow machine.
        assert time.monotonic() - began < 10


def test_without_a_service_the_fallback_decides() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{unused.getsockname()[1]}", "k", careful, HASTY)
        assert client.predict([PARCEL, PARCEL]) == [Answer("by hand", "fallback")] * 2
        assert client.send_outcomes([{"prediction_id": "p", "outcome": 1, "at": NOON}]) is False


def test_the_same_client_works_after_a_failure(scripted: Scripted) -> None:
    scripted.acts = [hangs, good]
    with closing(scripted.called(HASTY)) as client:
        assert client.predict([PARCEL])[0].by == "fallback"
        client.seconds = PATIENT
        assert client.predict([PARCEL])[0].by == "model"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_defect_of_the_caller_is_not_hidden_and_not_tried_again(
    scripted: Scripted, status: int
) -> None:
    error = {"row": 0, "field": "stops", "rule": "at most 50", "given": "99", "example": 12}
    scripted.acts = [
        responds(status, {"status": status, "detail": "it breaks the contract", "errors": [error]}),
        good,
    ]
    with closing(scripted.called()) as client:
        with pytest.raises(
            RequestRejectedError, match=f"{status}: it breaks the contract .*stops"
        ) as received:
            client.predict([PARCEL])
        assert received.value.problem["errors"] == [error]
        assert client.predict([PARCEL])[0].by == "model"
    assert len(scripted.bodies) == 2


@pytest.mark.parametrize("key", ["k", "k\n", " k\r\n"])
def test_a_key_is_sent_as_it_was_read_from_a_file(scripted: Scripted, key: str) -> None:
    scripted.acts = [good]
    with closing(scripted.called(key=key, prefix="/scoring/")) as client:
        assert client.predict([PARCEL])[0].by == "model"
    assert scripted.keys == ["Bearer k"]


@pytest.mark.parametrize(
    "url", ["scoring.example.org", "ftp://scoring.example.org", "http://", "", "localhost:8000"]
)
def test_an_invalid_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Client(url, "k", careful)


def test_a_decision_of_the_service_has_the_id_that_outcomes_need(
    settings: Settings, trained: Trained, tmp_path: Path
) -> None:
    point(settings.models, trained.bundle, 1)
    path = tmp_path / "keys.json"
    key = add_key(path, "checkout", ["predict", "outcomes", "feedback"])
    with listening(settings.model_copy(update={"keys_file": path})) as port:
        with closing(Client(f"http://127.0.0.1:{port}", key, careful, PATIENT)) as client:
            (answer,) = client.predict([PARCEL | {"unit": "k1"}])
            assert (answer.decision, answer.by, answer.model_version) == ("call", "model", "1")
            assert answer.score is not None
            outcome = {"prediction_id": answer.id, "outcome": 1, "at": NOON}
            assert client.send_outcomes([outcome])
            assert client.send_outcomes([outcome])
            assert client.send_feedback(
                [{"prediction_id": answer.id, "verdict": "accepted", "reviewer": "desk-7"}]
            )
            with pytest.raises(RequestRejectedError, match=r"409: .*is stored for"):
                client.send_outcomes([outcome | {"outcome": 0}])
            with pytest.raises(RequestRejectedError, match=r"422: .*weight"):
                client.predict([PARCEL | {"weight": 31}])
        with pytest.raises(RequestRejectedError, match="401: the key is missing"):
            Client(f"http://127.0.0.1:{port}", "another", careful, PATIENT).predict([PARCEL])


def test_in_shadow_the_fallback_decides_and_the_prediction_is_still_named(
    settings: Settings, trained: Trained
) -> None:
    point(settings.models, trained.bundle, 1)
    with listening(settings.model_copy(update={"mode": "shadow"})) as port:
        client = Client(f"http://127.0.0.1:{port}", "", careful, PATIENT)
        (answer,) = client.predict([PARCEL | {"id": "mine"}])
        client.close()
    assert (answer.decision, answer.by, answer.id, answer.model_version) == (
        "by hand",
        "fallback",
        "mine",
        "1",
    )
    assert answer.score is not None


def test_a_restart_of_the_service_does_not_disturb_a_client(
    settings: Settings, trained: Trained
) -> None:
    point(settings.models, trained.bundle, 1)
    with listening(settings) as port:
        client = Client(f"http://127.0.0.1:{port}", "", careful, PATIENT)
        assert client.predict([PARCEL])[0].by == "model"
    with closing(client), listening(settings, port):
        assert client.predict([PARCEL])[0].by == "model"
