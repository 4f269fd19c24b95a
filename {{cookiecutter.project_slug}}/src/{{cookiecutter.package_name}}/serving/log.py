"""Structured logs: one line of JSON for each event on standard output; plain text where a person looks on."""

import json
import logging
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__.partition(".")[0])

KEPT = 50_000  # lines


class Lines(logging.Formatter):
    """A record as a line. What is given as extra={"facts": {...}} becomes fields of their own."""

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.plain = plain

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, "facts", {})
        at = datetime.fromtimestamp(record.created, UTC)
        failure = self.formatException(record.exc_info) if record.exc_info else ""
        if self.plain:
            told = " ".join(f"{name}={value}" for name, value in facts.items())
            return f"{at:%H:%M:%S} {record.getMessage()} {told}".rstrip() + (f"\n{failure}" if failure else "")
        said = {"at": at.isoformat(), "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(said | facts | ({"failure": failure} if failure else {}), default=str)


def start_logging() -> None:
    """Everything to standard output, other libraries from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines(plain=sys.stdout.isatty()))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)


class Access:
    """A line for each request, written together twice a second: a line at a time costs more than an answer.

    Where nobody takes the lines, as in a full pipe, the oldest are forgotten and the service goes on.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT)

    def add(self, at: str, request: str, route: str, status: int, seconds: float, caller: str) -> None:
        """No argument holds what a client could write freely, so nothing is escaped here."""
        self._lines.append(
            f'{{"at":"{at}","level":"info","event":"request","request":"{request}","route":"{route}",'
            f'"status":{status},"ms":{seconds * 1000:.3f},"caller":"{caller}"}}\n'
        )

    def flush(self) -> None:
        """Write what there is; may block, so not on the event loop."""
        lines, self._lines = self._lines, deque(maxlen=KEPT)
        if lines and not sys.stdout.isatty():
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
