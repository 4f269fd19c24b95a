"""For consumers: ask for decisions in time, safely, and have an answer when there is none.

Standard library only, so that it can be copied into a system that has nothing else of this project.

    client = Client("https://scoring.example.org", key, fallback=lambda row: "approve")
    for answer in client.predict([{"amount": 12.5, ...}]):
        act(answer.decision)

"""

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Answer", "Client", "RequestRejectedError"]

TOO_MANY = 429  # the only rejection worth a retry
Row = Mapping[str, Any]
Decision = str | float


class RequestRejectedError(Exception):
    """The service rejected the request, and a retry would not change that; `problem` is its answer
    (RFC 9457).
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        first = next(iter(problem.get("errors", [])), "")
        super().__init__(f"{problem.get('status')}: {problem.get('detail')} {first}".strip())
        self.problem = problem


@dataclass(frozen=True)
class Answer:
    """A decision to act on.

    `by` is "model", or "fallback" when none came in time or the service is in shadow.

    `score` and `id` (for outcomes and feedback) are None when no answer came at all.
    """

    decision: Decision
    by: str
    id: str | None = None
    score: float | None = None
    model_version: str | None = None


class Client:
    """One connection, kept open; one for each thread.

    `seconds` is for a call as a whole, tries included.
    """

    def __init__(
        self, url: str, key: str, fallback: Callable[[Row], Decision], seconds: float = 1.0
    ) -> None:
        """`fallback` decides a row without the service, as consumers did before it.

        Raises ValueError for a URL without http:// or https://.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'a URL like "https://scoring.example.org" is needed, given {url!r}')
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._connection: HTTPConnection | None = None
        self.key, self.fallback, self.seconds = (
            key.strip(),
            fallback,
            seconds,
        )  # a file of a key ends with a newline

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        """A decision for each row, in order, within `seconds`: the model's, or else the fallback's.

        A row without an id gets one, so that a second try is the same prediction. Raises
        RequestRejectedError when the rows break the contract or the key does not hold: that is a
        defect of the caller, which no fallback should hide.
        """
        named = [{**row, "id": row.get("id") or uuid.uuid4().hex} for row in rows]
        received = self._ask("predict", {"rows": named})
        try:
            result = (
                [(item["decision"], item["id"], item["score"]) for item in received["predictions"]]
                if received
                else []
            )
            version = received["model_version"] if received else ""
        except (KeyError, TypeError):
            result = []  # a proxy answered in the service's place
        if len(result) != len(rows):
            return [Answer(self.fallback(row), "fallback") for row in rows]
        return [self._answer(row, *entry, version) for row, entry in zip(rows, result, strict=True)]

    def send_outcomes(self, outcomes: Sequence[Row]) -> bool:
        """Send {prediction_id, outcome, at}; False when the service could not take them now: send
        them again, which is safe. Raises RequestRejectedError.
        """
        return self._ask("outcomes", {"outcomes": list(outcomes)}) is not None

    def send_feedback(self, feedback: Sequence[Row]) -> bool:
        """Send {prediction_id, verdict, reviewer, ...}; as `send_outcomes`."""
        return self._ask("feedback", {"feedback": list(feedback)}) is not None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _answer(
        self, row: Row, decision: Decision | None, id: str, score: float, version: str
    ) -> Answer:
        if decision is None:
            return Answer(self.fallback(row), "fallback", id, score, version)
        return Answer(decision, "model", id, score, version)

    def _ask(self, route: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the service answers; None when it does not in time."""
        body, until, pause = json.dumps(content).encode(), time.monotonic() + self.seconds, 0.05
        while time.monotonic() < until:
            try:
                status, wait, received = self._once(route, body, until)
            except (OSError, HTTPException, ValueError):
                self.close()
                status, wait, received = 0, 0.0, {}
            if status == 200:
                return received
            if 400 <= status < 500 and status != TOO_MANY:
                raise RequestRejectedError(received)
            if (rest := max(wait, pause)) > until - time.monotonic():
                return None  # no time for another try: the fallback need not wait
            time.sleep(rest)
            pause *= 2
        return None

    def _once(self, route: str, body: bytes, until: float) -> tuple[int, float, dict[str, Any]]:
        connection = self._connection = self._connection or self._connect(self._host, self._port)
        connection.timeout = _left(until)
        if connection.sock:
            connection.sock.settimeout(_left(until))
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        connection.request("POST", f"{self._prefix}/v1/{route}", body, headers)
        watch = threading.Timer(
            _left(until), _cut, [connection.sock]
        )  # each byte may come in time, the whole too late
        watch.daemon = True
        watch.start()
        try:
            response = connection.getresponse()
            wait, received = response.headers.get("retry-after", "0"), json.loads(response.read())
        finally:
            watch.cancel()
        if not isinstance(received, dict):
            raise HTTPException("no answer of the service")
        return response.status, float(wait) if wait.isdigit() else 0.0, received


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _left(until: float) -> float:
    """Seconds. Raises TimeoutError when there are none."""
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left
