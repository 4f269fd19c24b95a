"""Event logs in a folder, and functions that read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlprod.records import log_segments
from mlprod.records.event_log import EventLog

LIMIT = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[EventLog]:
    made = EventLog(folder, LIMIT)
    yield made
    made.close()


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of about three events."""
    monkeypatch.setattr(log_segments, "SEGMENT", 50)


@contextmanager
def opened(folder: Path, limit: int = LIMIT) -> Iterator[EventLog]:
    """Open the log like the next process."""
    spool = EventLog(folder, limit)
    try:
        yield spool
    finally:
        spool.close()


@contextmanager
def full_disk(at: int) -> Iterator[None]:
    """Limit the size of every file of this process to `at` bytes."""
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def event(number: int) -> bytes:
    return b'{"n":%04d}' % number


EVENTS = [event(number) for number in range(10)]


def fill(spool: EventLog, events: list[bytes] = EVENTS) -> None:
    for item in events:
        spool.append(item)


def shipped(spool: EventLog) -> list[bytes]:
    """Read and acknowledge all events; return them."""
    result = []
    while events := spool.read():
        result += events
        spool.acknowledge()
    return result


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in logs(folder))
