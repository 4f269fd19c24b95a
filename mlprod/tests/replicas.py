"""Replicas of a service that have nothing but their mode."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import eventually

from mlprod.records.mode_memory import ModeMemory
from mlprod.records.mode_sources import SwitchFolder
from mlprod.records.store import Store
from mlprod.records.tables import modes
from mlprod.serving.metrics import Metrics
from mlprod.serving.mode_follower import ModeFollower
from mlprod.serving.mode_state import ModeState

NEVER = 30.0  # seconds that nothing here takes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def url(tmp_path: Path, empty_records: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_records, tmp_path / 'records.db')}"


@pytest.fixture
def later(tmp_path: Path) -> str:
    """A database that has no tables yet."""
    return f"sqlite:///{tmp_path / 'later.db'}"


def replica(
    url: str, folder: Path, first_mode: str = "assist", file: Path | None = None
) -> ModeFollower:
    """The mode of a replica that nothing follows yet."""
    memory, switches = ModeMemory(folder / "mode"), SwitchFolder(folder.parent / "switches")
    return ModeFollower(ModeState(memory, switches, file, first_mode, Metrics()), url)


@contextmanager
def run(follower: ModeFollower) -> Iterator[ModeState]:
    """It follows files and database within."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=work, args=(stop,))
        for work in (follower.run_files, follower.run_database)
    ]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: follower.state.checked)
        yield follower.state
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


@contextmanager
def running(
    url: str, folder: Path, first_mode: str = "assist", file: Path | None = None
) -> Iterator[ModeState]:
    with run(replica(url, folder, first_mode, file)) as state:
        yield state


def sample(state: ModeState, name: str, **labels: str) -> float | None:
    return state.metrics.registry.get_sample_value(name, labels)


def history(url: str) -> list[tuple[str, str]]:
    """(mode, who) of every row, oldest first."""
    store = Store(url)
    with store.engine.connect() as connection:
        rows = [
            (row.mode, row.who)
            for row in connection.execute(modes.select().order_by(modes.c.number))
        ]
    store.engine.dispose()
    return rows
