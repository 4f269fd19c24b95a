"""Structured logs: one line of JSON for each event on standard output; plain text where a person
looks on.
"""

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ..display.masking import masked
from ..display.plain_text import display

log = logging.getLogger(__name__.partition(".")[0])

KEPT = 10_000  # records that wait to be written
LAST_SECONDS = 5.0  # for what waits when the service ends, where standard output is read slowly


class JsonFormatter(logging.Formatter):
    """A record as a line.

    What is given as extra={"facts": {...}} becomes fields of their own. Of an exception only the
    type and the places are told: its message may hold a value of a row.
    """

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.plain = plain

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "ready", False):
            return record.getMessage()
        facts: dict[str, Any] = dict(getattr(record, "facts", {}))
        at = datetime.fromtimestamp(record.created, UTC)
        if record.exc_info and record.exc_info[0]:
            facts |= {
                "failure": record.exc_info[0].__name__,
                "at_code": _places(record.exc_info[2]),
            }
        if self.plain:
            received = " ".join(f"{name}={value}" for name, value in facts.items())
            return display(masked(f"{at:%H:%M:%S} {record.getMessage()} {received}".rstrip()))
        message = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return masked(json.dumps(message | facts, default=str))


def _places(result: TracebackType | None) -> list[str]:
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(result)
    ]


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Standard output as it is when something is written."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


class DropOldHandler(QueueHandler):
    """Forgets what nobody takes, as where standard output is a full pipe: the service goes on."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class Writer(QueueListener):
    """Writes what waits in the queue, by a thread of its own."""

    def __init__(self, waiting: queue.Queue[Any], output: logging.Handler) -> None:
        super().__init__(waiting, output)
        self.waiting = waiting

    def enqueue_sentinel(self) -> None:
        """Wait for room in a full queue, where the standard library fails."""
        self.waiting.put(None)


@contextmanager
def logging_to_output() -> Iterator[None]:
    """Everything to standard output by a thread of its own, other libraries from warnings on.

    What waits at the end is written first; where nobody reads it for LAST_SECONDS, the process ends
    without.
    """
    waiting: queue.Queue[Any] = queue.Queue(KEPT)
    writer = Writer(waiting, StdoutHandler(sys.stdout))
    handler = DropOldHandler(waiting)
    handler.setFormatter(JsonFormatter(plain=sys.stdout.isatty()))
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    log.setLevel(logging.INFO)
    writer.start()
    try:
        yield
    finally:
        root.handlers = before
        last = threading.Thread(target=writer.stop, daemon=True)
        last.start()
        last.join(LAST_SECONDS)
        if (
            last.is_alive()
        ):  # it holds the lock of standard output, over which Python would abort the process
            os._exit(1 if sys.exc_info()[0] else 0)


class AccessLog:
    """A line for each request, handed to the log together twice a second: one at a time costs more
    than an answer. For the event loop's thread alone: nothing here is locked.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(
        self, at: str, request: str, route: str, status: int, seconds: float, caller: str
    ) -> None:
        """No argument holds what a client could write freely, so nothing is escaped here."""
        self._lines.append(
            f'{{"at": "{at}", "level": "info", "event": "request", "request": "{request}", '
            f'"route": "{route}", '
            f'"status": {status}, "ms": {seconds * 1000:.3f}, "caller": "{caller}"}}'
        )

    def flush(self) -> None:
        """Hand over what there is; where a person looks on, requests are not shown."""
        lines, self._lines = self._lines, []
        if lines and not sys.stdout.isatty():
            log.info("\n".join(lines), extra={"ready": True})
