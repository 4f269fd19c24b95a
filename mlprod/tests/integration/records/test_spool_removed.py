"""An event log that somebody removes, moves or truncates while the service runs.

The service continues or refuses, and counts the losses.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from event_logs import EVENTS, fill, shipped

from mlprod.records import event_log as spools
from mlprod.records import log_segments
from mlprod.records.errors import EventLogError
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
    """Return whether the counts equal the disk, and this process has the folder."""
    with pytest.raises(EventLogError, match="a service already runs"):
        EventLog(spool.folder, 1_000_000)
    on_disk = sum(path.stat().st_size for path in spool.folder.glob("*.log"))
    return (spool.bytes, spool.refusal_reason) == (on_disk, "") and not (
        spool.folder / "probe"
    ).exists()


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
    """Replace the files, like an editor or a restore."""
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
def test_events_of_a_removed_file_are_still_shipped(
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
def test_events_written_after_the_harm_survive_the_process(
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
def test_events_being_shipped_when_the_file_is_removed_are_not_lost(
    spool: EventLog, folder: Path, harm: Callable[[Path], object]
) -> None:
    fill(spool, EARLY)
    assert spool.read() == EARLY
    fill(spool, LATE)
    harm(folder)
    spool.check()
    assert spool.read() == EARLY
    spool.acknowledge()
    assert shipped(spool) == LATE
    assert (spool.events, spool.lost) == (0, 0)
    assert is_whole(spool)


def test_events_of_older_removed_files_count_as_lost(
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


def test_only_the_events_of_a_removed_file_are_lost(
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
    spool.acknowledge()
    assert shipped(spool) == EVENTS[sum(held) :]
    assert (spool.events, spool.lost) == (0, held[1])
    assert is_whole(spool)


@pytest.mark.parametrize("left", [0, 7])
@pytest.mark.parametrize("by_append", [False, True])
def test_truncated_events_count_as_lost(
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


def test_folder_used_by_another_service_is_not_written(spool: EventLog, folder: Path) -> None:
    fill(spool, EARLY)
    shutil.rmtree(folder)
    other = EventLog(folder, 1_000_000)
    for _ in range(2):
        with pytest.raises(EventLogError, match="a service already runs"):
            spool.append(LATE[0])
        spool.check()
        assert "a service already runs" in spool.refusal_reason
        assert spool.read() == []
    other.close()
    spool.check()
    fill(spool, LATE)
    assert shipped(spool) == EVENTS
    assert is_whole(spool)


def test_removed_lock_is_created_again(spool: EventLog, folder: Path) -> None:
    fill(spool, EARLY)
    (folder / "lock").unlink()
    spool.check()
    assert is_whole(spool)
    assert shipped(spool) == EARLY


def test_folder_that_cannot_be_restored_refuses_until_it_can(spool: EventLog, folder: Path) -> None:
    fill(spool, EARLY)
    shutil.rmtree(folder)
    folder.write_text("in its place")
    with pytest.raises(EventLogError, match="cannot be written"):
        spool.append(LATE[0])
    assert "predictions are refused: the event log cannot be written" in spool.check()
    assert spool.read() == []
    assert spool.refusal_reason
    folder.unlink()
    assert "can be written again" in spool.check()
    fill(spool, LATE)
    assert shipped(spool) == EVENTS
    assert is_whole(spool)


@pytest.mark.parametrize("also", ["check", "append"])
def test_folder_removed_during_a_check_is_created_again(
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
    assert spool.refusal_reason == ""
    assert is_whole(spool)
    assert spool.lost == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX file permissions")
def test_folder_without_write_permission_refuses_before_a_request(
    spool: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like a disk that became read-only."""
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)
    assert "no permission to write" in spool.check()
    assert "no permission to write" in spool.refusal_reason
    monkeypatch.undo()
    monkeypatch.setattr(spools, "HOLD_SECONDS", 0.0)
    spool.check()
    assert spool.refusal_reason == ""


def test_full_log_is_writable_again_once_a_tenth_is_free(spool: EventLog) -> None:
    spool.limit = 200
    fill(spool, EVENTS)
    assert spool.refusal_reason == ""
    with pytest.raises(EventLogError, match="the limit is 200"):
        spool.append(EVENTS[0])
    assert "the limit is 200" in spool.refusal_reason
    spool.limit = 221
    spool.check()
    assert spool.refusal_reason, "one event fits, and the next would be refused again"
    shipped(spool)
    spool.check()
    assert spool.refusal_reason == ""


def test_closed_log_checks_nothing(folder: Path) -> None:
    spool = EventLog(folder, 1_000)
    spool.close()
    shutil.rmtree(folder)
    assert spool.check() == ""
    assert not folder.exists()
