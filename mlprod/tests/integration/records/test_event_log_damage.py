"""An event log with a killed process, damaged lines, or a full disk."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from event_logs import EVENTS, fill, folder, full_disk, logs, on_disk, opened, shipped, spool

from mlprod.records import log_reader
from mlprod.records.errors import EventLogError
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


def test_killed_process_leaves_all_its_events(folder: Path) -> None:
    code = HOLD.format(module=EventLog.__module__)
    with subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(300)]
        process.kill()
        lines += process.stdout.readlines()
    numbers = [int(line) for line in lines if line.endswith("\n")]
    with opened(folder) as spool:
        result = [json.loads(item)[0] for item in shipped(spool)]
    assert result[: len(numbers)] == numbers
    # The last event may be written and not yet printed.
    assert len(result) - len(numbers) in (0, 1)


@pytest.mark.parametrize("keep", [1, 8, 12, 18])
def test_torn_line_of_a_killed_process_is_quarantined(folder: Path, keep: int) -> None:
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
def test_damaged_line_is_counted_and_quarantined_and_the_rest_is_read(
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


def test_damaged_line_is_counted_once_for_any_number_of_retries(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
    (path,) = logs(folder)
    path.write_bytes(path.read_bytes().replace(EVENTS[3], b'{"n":0000}'))
    with opened(folder) as spool:
        assert [spool.read() for _ in range(3)] == [EVENTS[:3] + EVENTS[4:]] * 3
        spool.acknowledge()
        assert spool.lost == 1
    assert (folder / "damaged.kept").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("batch", [1, 1_000])
def test_events_after_a_fully_damaged_file_are_read(
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


def test_disk_space_is_freed_when_all_is_shipped(folder: Path, spool: EventLog) -> None:
    for _ in range(3):
        fill(spool)
        assert on_disk(folder) > 0
        shipped(spool)
        assert on_disk(folder) == 0


def test_full_log_refuses_until_something_is_shipped(folder: Path) -> None:
    with opened(folder, limit=100) as spool:
        fill(spool, EVENTS[:5])
        before = on_disk(folder)
        with pytest.raises(
            EventLogError, match="100 bytes wait for the database; the limit is 100"
        ):
            spool.append(EVENTS[5])
        assert (on_disk(folder), spool.events) == (before, 5)
        assert shipped(spool) == EVENTS[:5]
        fill(spool, EVENTS[5:])
        assert shipped(spool) == EVENTS[5:]


def test_events_of_an_earlier_process_count_towards_the_limit(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
    with opened(folder, limit=200) as spool, pytest.raises(EventLogError, match="limit"):
        spool.append(EVENTS[0])


def test_full_disk_refuses_and_leaves_no_partial_line(folder: Path, spool: EventLog) -> None:
    fill(spool, EVENTS[:5])
    before = on_disk(folder)
    for room in (0, 1, 18):
        with full_disk(before + room), pytest.raises(EventLogError, match="cannot be written"):
            spool.append(EVENTS[5])
        assert (on_disk(folder), spool.bytes, spool.events) == (before, before, 5)
    fill(spool, EVENTS[5:])
    assert shipped(spool) == EVENTS
    assert not (folder / "torn.kept").exists()


def test_event_that_cannot_be_quarantined_is_still_counted(spool: EventLog) -> None:
    with full_disk(0):
        spool.quarantine(EVENTS[0])
    assert spool.lost == 1


def test_event_refused_by_the_database_is_quarantined(folder: Path, spool: EventLog) -> None:
    for item in EVENTS[:2]:
        spool.quarantine(item)
    assert (folder / "refused.kept").read_bytes().splitlines() == EVENTS[:2]
    assert spool.lost == 2


def test_partial_read_acknowledges_only_its_events_and_quarantines_damage(
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
    spool.acknowledge()
    assert (spool.events, spool.lost) == (7, 1)
    assert spool.read(1) == spool.read(1) == EVENTS[3:4]
    assert spool.read() == EVENTS[3:4] + EVENTS[5:]
    assert spool.read(1) == EVENTS[3:4]
    spool.acknowledge()
    assert spool.read(1) == EVENTS[5:6]
    assert (spool.events, spool.lost) == (5, 2)
    assert shipped(spool) == EVENTS[5:]
