"""Callers that store every response, to compare the responses with the database."""

import itertools
import json
import os
import threading
import time
import uuid
from collections import Counter
from http.client import HTTPConnection, HTTPException

from sqlalchemy import select

from ...records.database import engine_of
from ...records.tables import predictions
from .bodies import body_of
from .service import HOST, ServiceProcess

CONNECTION_ERRORS: tuple[type[Exception], ...] = (OSError, HTTPException)


class HttpCaller:
    """One connection. It reconnects after an error or when the service closes the connection."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.connection: HTTPConnection | None = None

    def post(self, route: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a POST request. Raises OSError or HTTPException if the connection breaks."""
        self.connection = self.connection or HTTPConnection(HOST, self.service.port, timeout=30)
        try:
            self.connection.request("POST", route, body)
            response = self.connection.getresponse()
            received = response.read()
        except CONNECTION_ERRORS:
            self.close()
            raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        if headers.get("connection") == "close":
            self.close()
        return response.status, headers, received

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


class CallerLoad:
    """Threads that request predictions until `stop`, and store every response.

    After a broken connection, or a 503 with Retry-After, a thread repeats the request with the
    same id.
    """

    def __init__(
        self, service: ServiceProcess, callers: int = 4, rows: int = 1, pause: float = 0.0
    ) -> None:
        self.service, self.rows, self.pause = service, rows, pause
        # Id → score of every response.
        self.answered: dict[str, float] = {}
        self.requested: set[str] = set()
        self.statuses: Counter[int] = Counter()
        # Details of every 503 with Retry-After.
        self.reasons: list[str] = []
        # Every other response.
        self.errors: list[str] = []
        # Times at which a connection broke.
        self.broken: list[float] = []
        # Time of every 200, and its duration in seconds.
        self.times: list[tuple[float, float]] = []
        # Start times of requests whose 200 did not close the connection.
        self.unclosed: list[float] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]

    def __enter__(self) -> "CallerLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def assert_stored(self) -> None:
        """Assert that the database has every response once, with its score, and no other row."""
        result = stored(self.service.url)
        ids = [id for id, _ in result]
        scores = dict(result)
        assert len(ids) == len(scores), "a prediction is stored twice"
        lost = self.answered.keys() - scores.keys()
        assert not lost, (
            f"{len(lost)} of {len(self.answered)} responses are not stored, for example "
            f"{sorted(lost)[:3]}"
        )
        other = {
            id: (score, scores[id]) for id, score in self.answered.items() if scores[id] != score
        }
        assert not other, (
            f"{len(other)} stored scores differ from the response, for example "
            f"{list(other.items())[:3]}"
        )
        assert {id for id in scores if id.startswith("load-")} <= self.requested

    def _call(self) -> None:
        caller, name = HttpCaller(self.service), f"load-{uuid.uuid4().hex[:8]}"
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._until_answered(caller, body_of(self.rows, f"{name}-{number}"))
                if self.pause:
                    time.sleep(self.pause)
        except Exception as error:
            self.errors.append(repr(error))
            raise
        finally:
            caller.close()

    def _until_answered(self, caller: HttpCaller, body: bytes) -> None:
        self.requested.update(row["id"] for row in json.loads(body)["rows"])
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                status, headers, received = caller.post("/v1/predict", body)
            except CONNECTION_ERRORS:
                self.broken.append(time.monotonic())
                time.sleep(0.02)
                continue
            self.statuses[status] += 1
            if status == 200:
                now = time.monotonic()
                self.times.append((now, now - began))
                if headers.get("connection") != "close":
                    self.unclosed.append(began)
                self.answered.update(
                    {item["id"]: item["score"] for item in json.loads(received)["predictions"]}
                )
                return
            if status == 503 and "retry-after" in headers:
                self.reasons.append(json.loads(received)["detail"])
                # Shorter than Retry-After, so that the load stays high.
                time.sleep(0.05)
                continue
            self.errors.append(f"{status} {received[:200]!r}")
            return


def stored(url: str) -> list[tuple[str, float]]:
    """Return (id, score) of every prediction in a database."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            return [
                (id, score)
                for id, score in connection.execute(select(predictions.c.id, predictions.c.score))
            ]
    finally:
        engine.dispose()


def seconds_of(name: str, default: float) -> float:
    """Return the number of seconds that an environment variable sets."""
    return float(os.environ.get(name, "") or default)
