"""Structured logs on standard output: one line of JSON for each event, plain text on a terminal."""

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

MAX_RECORDS = 10_000  # that wait to be written
# Time to write the waiting records when the service ends and standard output is read slowly.
FLUSH_SECONDS = 5.0


class JsonFormatter(logging.Formatter):
    """Formats a record as one line.

    The entries of extra={"facts": {...}} become fields of the line. Of an exception the line has
    only the type and the code places, because its message may contain a value of a row.
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
                "at_code": _code_places(record.exc_info[2]),
            }
        if self.plain:
            fields = " ".join(f"{name}={value}" for name, value in facts.items())
            return display(masked(f"{at:%H:%M:%S} {record.getMessage()} {fields}".rstrip()))
        message = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return masked(json.dumps(message | facts, default=str))


def _code_places(trace: TracebackType | None) -> list[str]:
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to the standard output of the time of writing."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


class DropOldHandler(QueueHandler):
    """Drops records while the queue is full, as at a full pipe, so that the service continues."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class LogWriter(QueueListener):
    """Writes the waiting records of the queue on a thread of its own."""

    def __init__(self, waiting: queue.Queue[Any], output: logging.Handler) -> None:
        super().__init__(waiting, output)
        self.waiting = waiting

    def enqueue_sentinel(self) -> None:
        """Wait for room in a full queue; the standard library raises queue.Full."""
        self.waiting.put(None)


@contextmanager
def logging_to_output() -> Iterator[None]:
    """Log to standard output on a thread of its own; from other libraries, warnings and above.

    At the end the waiting records are written. If nobody reads them for FLUSH_SECONDS, the process
    ends without them.
    """
    waiting: queue.Queue[Any] = queue.Queue(MAX_RECORDS)
    writer = LogWriter(waiting, StdoutHandler(sys.stdout))
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
        last.join(FLUSH_SECONDS)
        if last.is_alive():
            # it holds the lock of standard output, and Python would abort the process because of it
            os._exit(1 if sys.exc_info()[0] else 0)


class AccessLog:
    """Access log with one line for each request.

    The lines go to the log together, twice a second, because one at a time costs more than an
    answer. Use it only on the thread of the event loop: it has no lock.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(
        self, at: str, request: str, route: str, status: int, seconds: float, caller: str
    ) -> None:
        """Add the line of a request; nothing is escaped, since no argument has text of a client."""
        self._lines.append(
            f'{{"at": "{at}", "level": "info", "event": "request", "request": "{request}", '
            f'"route": "{route}", '
            f'"status": {status}, "ms": {seconds * 1000:.3f}, "caller": "{caller}"}}'
        )

    def flush(self) -> None:
        """Pass the lines to the log. A terminal does not show requests."""
        lines, self._lines = self._lines, []
        if lines and not sys.stdout.isatty():
            log.info("\n".join(lines), extra={"ready": True})
