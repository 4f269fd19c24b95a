"""Callers that remember what they were answered, to be compared with what the database holds."""

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

NOTHING: tuple[type[Exception], ...] = (OSError, HTTPException)


class Caller:
    """One connection, opened again when it broke or when the service asks for another."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.connection: HTTPConnection | None = None

    def post(self, route: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Raises OSError or HTTPException when the connection breaks."""
        self.connection = self.connection or HTTPConnection(HOST, self.service.port, timeout=30)
        try:
            self.connection.request("POST", route, body)
            response = self.connection.getresponse()
            received = response.read()
        except NOTHING:
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
    """Callers on threads who predict until told to stop, and remember what they were answered.

    What breaks or is refused with a time to come back is asked again, with the same id, as a
    careful caller does.
    """

    def __init__(
        self, service: ServiceProcess, callers: int = 4, rows: int = 1, pause: float = 0.0
    ) -> None:
        self.service, self.rows, self.pause = service, rows, pause
        self.answered: dict[str, float] = {}  # id → score
        self.asked: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.reasons: list[str] = []  # of refusals that were announced
        self.wrong: list[str] = []  # any other answer
        self.broken: list[float] = []  # when a connection broke
        self.times: list[tuple[float, float]] = []  # when answered with 200, after how many seconds
        self.unclosed: list[
            float
        ] = []  # when asked what was answered 200 without a call for another connection
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

    def stored(self) -> None:
        """Asserts that the database holds every answer once, with the score that was told, and
        nothing unasked.
        """
        result = stored(self.service.url)
        ids = [id for id, _ in result]
        scores = dict(result)
        assert len(ids) == len(scores), "a prediction is stored twice"
        lost = self.answered.keys() - scores.keys()
        assert not lost, (
            f"{len(lost)} of {len(self.answered)} answers are lost, for example {sorted(lost)[:3]}"
        )
        other = {
            id: (score, scores[id]) for id, score in self.answered.items() if scores[id] != score
        }
        assert not other, (
            f"{len(other)} scores differ from those told, for example {list(other.items())[:3]}"
        )
        assert {id for id in scores if id.startswith("load-")} <= self.asked

    def _call(self) -> None:
        caller, name = Caller(self.service), f"load-{uuid.uuid4().hex[:8]}"
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._until_answered(caller, body_of(self.rows, f"{name}-{number}"))
                if self.pause:
                    time.sleep(self.pause)
        except Exception as error:
            self.wrong.append(repr(error))
            raise
        finally:
            caller.close()

    def _until_answered(self, caller: Caller, body: bytes) -> None:
        self.asked.update(row["id"] for row in json.loads(body)["rows"])
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                status, headers, received = caller.post("/v1/predict", body)
            except NOTHING:
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
                time.sleep(0.05)  # sooner than asked for: it is to hurt
                continue
            self.wrong.append(f"{status} {received[:200]!r}")
            return


def stored(url: str) -> list[tuple[str, float]]:
    """(id, score) of every prediction in a database."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            return [
                (id, score)
                for id, score in connection.execute(select(predictions.c.id, predictions.c.score))
            ]
    finally:
        engine.dispose()


def seconds_of(name: str, usual: float) -> float:
    """A length of time from the environment."""
    return float(os.environ.get(name, "") or usual)
