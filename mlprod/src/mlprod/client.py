"""A client for consumers: it requests decisions within a time limit and falls back without one.

Standard library only, so that the file can be copied into a system without this project.

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

# The only rejection worth retrying.
TOO_MANY_REQUESTS = 429
Row = Mapping[str, Any]
Decision = str | float


class RequestRejectedError(Exception):
    """The service rejected the request, and a retry would not change that.

    `problem` is the service's response (RFC 9457).
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        first = next(iter(problem.get("errors", [])), "")
        super().__init__(f"{problem.get('status')}: {problem.get('detail')} {first}".strip())
        self.problem = problem


@dataclass(frozen=True)
class Answer:
    """A decision to act on.

    `by` is "model", or "fallback" if no decision arrived in time or the service is in shadow mode.
    `score` and `id` (for outcomes and feedback) are None if no response arrived. `scores` has the
    probability of each class, for a model with classes.
    """

    decision: Decision
    by: str
    id: str | None = None
    score: float | None = None
    model_version: str | None = None
    scores: Mapping[str, float] | None = None


class Client:
    """One open connection to the service. Use one client for each thread.

    `seconds` limits a whole call, including its retries.
    """

    def __init__(
        self, url: str, key: str, fallback: Callable[[Row], Decision], seconds: float = 1.0
    ) -> None:
        """Prepare the client; it connects with the first request.

        `fallback` decides a row without the service, as the consumer did before the service.
        `key` may end with a newline, as in a key file. Raises ValueError if the URL does not begin
        with http:// or https://, or names no host.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"the URL names no http or https address: given {url!r}; "
                f'works: "https://scoring.example.org"'
            )
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._connection: HTTPConnection | None = None
        self.key, self.fallback, self.seconds = key.strip(), fallback, seconds

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        """Return a decision of the model or the fallback for each row, in order, within `seconds`.

        A row without an id gets one, so that a retry counts as the same prediction. Raises
        RequestRejectedError if the rows break the contract or the key is not valid. That is a
        defect of the caller, which no fallback should hide.
        """
        named = [{**row, "id": row.get("id") or uuid.uuid4().hex} for row in rows]
        received = self._post("predict", {"rows": named})
        try:
            result = (
                [
                    (item["decision"], item["id"], item["score"], item.get("scores"))
                    for item in received["predictions"]
                ]
                if received
                else []
            )
            version = received["model_version"] if received else ""
        except (AttributeError, KeyError, TypeError):
            # A proxy responded instead of the service.
            result = []
        if len(result) != len(rows):
            return [Answer(self.fallback(row), "fallback") for row in rows]
        return [self._answer(row, *entry, version) for row, entry in zip(rows, result, strict=True)]

    def send_outcomes(self, outcomes: Sequence[Row]) -> bool:
        """Send outcomes as {prediction_id, outcome, at}; return False if the service is not there.

        After False, send them again; this is safe. Raises RequestRejectedError as `predict` does.
        """
        return self._post("outcomes", {"outcomes": list(outcomes)}) is not None

    def send_feedback(self, feedback: Sequence[Row]) -> bool:
        """Send feedback as {prediction_id, verdict, reviewer, ...}; as `send_outcomes` does."""
        return self._post("feedback", {"feedback": list(feedback)}) is not None

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _answer(
        self,
        row: Row,
        decision: Decision | None,
        id: str,
        score: float,
        scores: Mapping[str, float] | None,
        version: str,
    ) -> Answer:
        if decision is None:
            return Answer(self.fallback(row), "fallback", id, score, version, scores)
        return Answer(decision, "model", id, score, version, scores)

    def _post(self, route: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send a request until it succeeds; return the response, or None if the time is over."""
        body, until, pause = json.dumps(content).encode(), time.monotonic() + self.seconds, 0.05
        while time.monotonic() < until:
            try:
                status, wait, received = self._post_once(route, body, until)
            except (OSError, HTTPException, ValueError):
                self.close()
                status, wait, received = 0, 0.0, {}
            if status == 200:
                return received
            if 400 <= status < 500 and status != TOO_MANY_REQUESTS:
                raise RequestRejectedError(received)
            if (rest := max(wait, pause)) > until - time.monotonic():
                # No time is left for another try, so the fallback need not wait.
                return None
            time.sleep(rest)
            pause *= 2
        return None

    def _post_once(
        self, route: str, body: bytes, until: float
    ) -> tuple[int, float, dict[str, Any]]:
        """Send one request; return status, seconds of the Retry-After header and JSON body."""
        connection = self._connection = self._connection or self._connect(self._host, self._port)
        connection.timeout = _seconds_left(until)
        if connection.sock:
            connection.sock.settimeout(_seconds_left(until))
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        connection.request("POST", f"{self._prefix}/v1/{route}", body, headers)
        # The socket's timeout counts for each byte. A slow response as a whole needs this timer.
        timer = threading.Timer(_seconds_left(until), _shut_down, [connection.sock])
        timer.daemon = True
        timer.start()
        try:
            response = connection.getresponse()
            wait, received = response.headers.get("retry-after", "0"), json.loads(response.read())
        finally:
            timer.cancel()
        if not isinstance(received, dict):
            raise HTTPException("the response has no JSON object, so it is not the service's")
        return response.status, float(wait) if wait.isdigit() else 0.0, received


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _seconds_left(until: float) -> float:
    """Return the seconds until then. Raises TimeoutError if none are left."""
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left
