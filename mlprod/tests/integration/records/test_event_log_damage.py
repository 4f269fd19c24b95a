"""An event log whose process was killed, whose lines are damaged, or whose disk is full."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from event_logs import EVENTS, fill, folder, full_disk, logs, on_disk, opened, shipped, spool

from mlprod.records import log_reader
from mlprod.records.errors import SpoolError
from mlprod.records.event_log import EventLog

__all__ = ["folder", "spool"]


HOLD = """
import sys
from pathlib import Path
from {module} import EventLog
spool = EventLog(Path(sys.argv[1]), 100_000_000)
for number in range(1_000_000):
    spool.append(b'[%d]' % number)
    print(number, flush=True)
"""


def test_a_killed_process_leaves_all_that_it_wrote(folder: Path) -> None:
    code = HOLD.format(module=EventLog.__module__)
    with subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        message = [process.stdout.readline() for _ in range(300)]
        process.kill()
        message += process.stdout.readlines()
    numbers = [int(line) for line in message if line.endswith("\n")]
    with opened(folder) as spool:
        result = [json.loads(item)[0] for item in shipped(spool)]
    assert result[: len(numbers)] == numbers
    assert len(result) - len(numbers) in (0, 1)  # the one that was written and not yet told


@pytest.mark.parametrize("keep", [1, 8, 12, 18])
def test_a_line_that_a_killed_process_did_not_finish_is_kept_aside_and_stops_nothing(
    folder: Path, keep: int
) -> None:
    with opened(folder) as spool:
        fill(spool, EVENTS[:5])
    (path,) = logs(folder)
    whole = path.read_bytes()
    line = len(whole) // 5
    path.write_bytes(whole[: -line + keep])
    with opened(folder) as spool:
        fill(spool, EVENTS[5:])
        assert spool.events == 9
        assert shipped(spool) == EVENTS[:4] + EVENTS[5:]
        assert (spool.lost, spool.events, spool.bytes) == (0, 0, 0)
    assert (folder / "torn.kept").read_bytes() == whole[-line:][:keep]


@pytest.mark.parametrize("at", [0, 8, 12])
def test_a_damaged_line_is_counted_and_kept_aside_and_the_rest_is_read(
    folder: Path, at: int
) -> None:
    with opened(folder) as spool:
        fill(spool)
    (path,) = logs(folder)
    content = bytearray(path.read_bytes())
    line = len(content) // 10
    content[3 * line + at] ^= 1
    path.write_bytes(content)
    with opened(folder) as spool:
        assert shipped(spool) == EVENTS[:3] + EVENTS[4:]
        assert (spool.lost, spool.events, spool.bytes) == (1, 0, 0)
    assert (folder / "damaged.kept").read_bytes() == content[3 * line :][:line]


def test_a_damaged_line_is_counted_once_however_often_the_database_is_tried(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
    (path,) = logs(folder)
    path.write_bytes(path.read_bytes().replace(EVENTS[3], b'{"n":0000}'))
    with opened(folder) as spool:
        assert [spool.read() for _ in range(3)] == [EVENTS[:3] + EVENTS[4:]] * 3
        spool.shipped()
        assert spool.lost == 1
    assert (folder / "damaged.kept").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("batch", [1, 1_000])
def test_where_nothing_is_whole_what_comes_after_is_still_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(log_reader, "BATCH", batch)
    with opened(folder) as spool:
        fill(spool)
    (path,) = logs(folder)
    path.write_bytes(path.read_bytes().replace(b"n", b"m"))
    with opened(folder) as spool:
        fill(spool)
        assert shipped(spool) == EVENTS
        assert (spool.lost, spool.events, spool.bytes) == (10, 0, 0)


def test_disk_is_given_back_when_all_is_shipped(folder: Path, spool: EventLog) -> None:
    for _ in range(3):
        fill(spool)
        assert on_disk(folder) > 0
        shipped(spool)
        assert on_disk(folder) == 0


def test_over_the_limit_nothing_is_written_until_something_is_shipped(folder: Path) -> None:
    with opened(folder, limit=100) as spool:
        fill(spool, EVENTS[:5])
        before = on_disk(folder)
        with pytest.raises(SpoolError, match="100 bytes wait for the database; the limit is 100"):
            spool.append(EVENTS[5])
        assert (on_disk(folder), spool.events) == (before, 5)
        assert shipped(spool) == EVENTS[:5]
        fill(spool, EVENTS[5:])
        assert shipped(spool) == EVENTS[5:]


def test_what_waited_before_counts_towards_the_limit(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
    with opened(folder, limit=200) as spool, pytest.raises(SpoolError, match="limit"):
        spool.append(EVENTS[0])


def test_on_a_full_disk_nothing_is_accepted_and_no_half_line_is_left(
    folder: Path, spool: EventLog
) -> None:
    fill(spool, EVENTS[:5])
    before = on_disk(folder)
    for room in (0, 1, 18):
        with full_disk(before + room), pytest.raises(SpoolError, match="cannot be written"):
            spool.append(EVENTS[5])
        assert (on_disk(folder), spool.bytes, spool.events) == (before, before, 5)
    fill(spool, EVENTS[5:])
    assert shipped(spool) == EVENTS
    assert not (folder / "torn.kept").exists()


def test_what_cannot_be_kept_aside_is_still_counted(spool: EventLog) -> None:
    with full_disk(0):
        spool.refuse(EVENTS[0])
    assert spool.lost == 1


def test_what_the_database_refuses_is_kept_for_a_person(folder: Path, spool: EventLog) -> None:
    for item in EVENTS[:2]:
        spool.refuse(item)
    assert (folder / "refused.kept").read_bytes().splitlines() == EVENTS[:2]
    assert spool.lost == 2


def test_of_a_few_events_no_more_is_acknowledged_and_damage_between_them_is_kept_aside(
    spool: EventLog,
) -> None:
    fill(spool)
    (path,) = spool.folder.glob("*.log")
    path.write_bytes(
        path.read_bytes()
        .replace(EVENTS[0], EVENTS[0].upper())
        .replace(EVENTS[4], EVENTS[4].upper())
    )
    assert spool.read(3) == EVENTS[1:3]
    spool.shipped()
    assert (spool.events, spool.lost) == (7, 1)
    assert spool.read(1) == spool.read(1) == EVENTS[3:4]
    assert spool.read() == EVENTS[3:4] + EVENTS[5:]
    assert spool.read(1) == EVENTS[3:4]
    spool.shipped()
    assert spool.read(1) == EVENTS[5:6]
    assert (spool.events, spool.lost) == (5, 2)
    assert shipped(spool) == EVENTS[5:]
