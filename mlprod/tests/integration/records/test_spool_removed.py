"""Somebody removes, moves or cuts the event log of a running service: it goes on or refuses, and
counts losses.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from event_logs import EVENTS, fill, shipped

from mlprod.records import event_log as spools
from mlprod.records import log_segments
from mlprod.records.errors import SpoolError
from mlprod.records.event_log import EventLog
from mlprod.records.log_files import is_file_at

EARLY, LATE = EVENTS[:5], EVENTS[5:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spool"


@pytest.fixture
def spool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventLog]:
    monkeypatch.setattr(spools, "HOLD_SECONDS", 0.0)
    made = EventLog(folder, 1_000_000)
    yield made
    made.close()


def is_whole(spool: EventLog) -> bool:
    """Whether the counts are those of the disk, and the folder is this process's own."""
    with pytest.raises(SpoolError, match="a service already runs"):
        EventLog(spool.folder, 1_000_000)
    on_disk = sum(path.stat().st_size for path in spool.folder.glob("*.log"))
    return (spool.bytes, spool.refuses) == (on_disk, "") and not (spool.folder / "probe").exists()


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def replace(folder: Path) -> None:
    move(folder)
    folder.mkdir()


def remove_parent(folder: Path) -> None:
    shutil.rmtree(folder.parent)


def remove_log(folder: Path) -> None:
    for path in folder.glob("*.log"):
        path.unlink()


def rename_log(folder: Path) -> None:
    for path in folder.glob("*.log"):
        path.rename(path.with_suffix(".old"))


def write_another(folder: Path) -> None:
    """As an editor or a restore does."""
    for path in folder.glob("*.log"):
        path.unlink()
        path.write_bytes(b"")


HARM: list[Callable[[Path], object]] = [
    shutil.rmtree,
    move,
    replace,
    remove_parent,
    remove_log,
    rename_log,
    write_another,
]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("next_step", ["append", "check", "read"])
def test_what_waits_in_a_removed_file_is_shipped_all_the_same(
    spool: EventLog, folder: Path, harm: Callable[[Path], object], next_step: str
) -> None:
    fill(spool, EARLY)
    harm(folder)
    if next_step != "append":
        steps: dict[str, Callable[[], object]] = {"check": spool.check, "read": spool.read}
        steps[next_step]()
    fill(spool, LATE)
    news = spool.check()
    assert shipped(spool) == EVENTS
    assert (spool.events, spool.lost) == (0, 0)
    assert is_whole(spool)
    assert news or next_step == "check"
    fill(spool, EVENTS)
    assert shipped(spool) == EVENTS


@pytest.mark.parametrize("harm", HARM)
def test_what_is_written_after_the_harm_survives_the_process(
    spool: EventLog, folder: Path, harm: Callable[[Path], object], tmp_path: Path
) -> None:
    fill(spool, EARLY)
    harm(folder)
    fill(spool, LATE)
    spool.check()
    fill(spool, EVENTS)
    copy = shutil.copytree(folder, tmp_path / "next", ignore=shutil.ignore_patterns("lock"))
    after = EventLog(Path(copy), 1_000_000)
    assert shipped(after) == EVENTS + EVENTS
    after.close()


@pytest.mark.parametrize("harm", HARM)
def test_what_is_being_shipped_when_its_file_is_removed_is_no_loss(
    spool: EventLog, folder: Path, harm: Callable[[Path], object]
) -> None:
    fill(spool, EARLY)
    assert spool.read() == EARLY
    fill(spool, LATE)
    harm(folder)
    spool.check()
    assert spool.read() == EARLY
    spool.shipped()
    assert shipped(spool) == LATE
    assert (spool.events, spool.lost) == (0, 0)
    assert is_whole(spool)


def test_what_older_files_held_is_counted_as_lost(
    spool: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 50)
    fill(spool, EVENTS)
    last = len(sorted(folder.glob("*.log"))[-1].read_bytes().splitlines())
    shutil.rmtree(folder)
    news = spool.check()
    assert (spool.lost, spool.events) == (10 - last, last)
    assert f" predictions are lost with {folder}" in news
    assert spool.check() == ""
    assert shipped(spool) == EVENTS[-last:]
    assert is_whole(spool)


def test_one_file_that_is_removed_is_lost_alone(
    spool: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 50)
    fill(spool, EVENTS)
    first, second, *_ = sorted(folder.glob("*.log"))
    held = len(first.read_bytes().splitlines()), len(second.read_bytes().splitlines())
    assert spool.read() == EVENTS[: held[0]]
    first.unlink()
    second.unlink()
    spool.check()
    assert spool.lost == held[1]
    spool.shipped()
    assert shipped(spool) == EVENTS[sum(held) :]
    assert (spool.events, spool.lost) == (0, held[1])
    assert is_whole(spool)


@pytest.mark.parametrize("left", [0, 7])
@pytest.mark.parametrize("by_append", [False, True])
def test_what_is_cut_off_is_counted_as_lost(
    spool: EventLog, folder: Path, left: int, by_append: bool
) -> None:
    fill(spool, EARLY)
    (path,) = folder.glob("*.log")
    os.truncate(path, left)
    if not by_append:
        spool.check()
    fill(spool, LATE)
    spool.check()
    assert (spool.lost, spool.events) == (5, 5)
    assert shipped(spool) == LATE
    path.unlink(missing_ok=True)


def test_a_folder_that_another_service_took_is_not_written_to(
    spool: EventLog, folder: Path
) -> None:
    fill(spool, EARLY)
    shutil.rmtree(folder)
    other = EventLog(folder, 1_000_000)
    for _ in range(2):
        with pytest.raises(SpoolError, match="a service already runs"):
            spool.append(LATE[0])
        spool.check()
        assert "a service already runs" in spool.refuses
        assert spool.read() == []
    other.close()
    spool.check()
    fill(spool, LATE)
    assert shipped(spool) == EVENTS
    assert is_whole(spool)


def test_a_lock_that_is_removed_is_made_again(spool: EventLog, folder: Path) -> None:
    fill(spool, EARLY)
    (folder / "lock").unlink()
    spool.check()
    assert is_whole(spool)
    assert shipped(spool) == EARLY


def test_a_folder_that_cannot_be_made_again_refuses_until_it_can(
    spool: EventLog, folder: Path
) -> None:
    fill(spool, EARLY)
    shutil.rmtree(folder)
    folder.write_text("in its place")
    with pytest.raises(SpoolError, match="cannot be written"):
        spool.append(LATE[0])
    assert "predictions are refused: the event log cannot be written" in spool.check()
    assert spool.read() == []
    assert spool.refuses
    folder.unlink()
    assert "can be written again" in spool.check()
    fill(spool, LATE)
    assert shipped(spool) == EVENTS
    assert is_whole(spool)


@pytest.mark.parametrize("also", ["check", "append"])
def test_a_folder_that_is_removed_while_the_log_looks_at_it_is_made_again(
    spool: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch, also: str
) -> None:
    spool.append(EVENTS[0])
    if also == "append":
        shutil.rmtree(folder)

    def removed_after(file: int, path: Path) -> bool:
        monkeypatch.setattr(log_segments, "is_file_at", is_file_at)
        result = is_file_at(file, path)
        shutil.rmtree(folder)
        return result

    monkeypatch.setattr(log_segments, "is_file_at", removed_after)
    if also == "append":
        spool.append(EVENTS[1])
    else:
        spool.check()
    assert spool.refuses == ""
    assert is_whole(spool)
    assert spool.lost == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of files")
def test_a_folder_without_the_right_to_write_refuses_before_anybody_asks(
    spool: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that turned read-only."""
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)
    assert "no right to write" in spool.check()
    assert "no right to write" in spool.refuses
    monkeypatch.undo()
    monkeypatch.setattr(spools, "HOLD_SECONDS", 0.0)
    spool.check()
    assert spool.refuses == ""


def test_a_log_that_was_full_counts_as_writable_once_a_tenth_is_free(spool: EventLog) -> None:
    spool.limit = 200
    fill(spool, EVENTS)
    assert spool.refuses == ""
    with pytest.raises(SpoolError, match="the limit is 200"):
        spool.append(EVENTS[0])
    assert "the limit is 200" in spool.refuses
    spool.limit = 221
    spool.check()
    assert spool.refuses, "a single event has room, and the next is refused again"
    shipped(spool)
    spool.check()
    assert spool.refuses == ""


def test_after_its_end_nothing_is_looked_at(folder: Path) -> None:
    spool = EventLog(folder, 1_000)
    spool.close()
    shutil.rmtree(folder)
    assert spool.check() == ""
    assert not folder.exists()
