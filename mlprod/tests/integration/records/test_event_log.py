import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from mlprod.records import log_reader, log_segments
from mlprod.records.errors import SpoolError
from mlprod.records.event_log import Spool

LIMIT = 1_000_000
WORDS = st.text("az09 {}[]:,'\"\\/\0\x1f\x7f\n\r\téß€\u2028\ufeff🐟", max_size=10)
HOLD = """
import sys
from pathlib import Path
from {module} import Spool
spool = Spool(Path(sys.argv[1]), 100_000_000)
for number in range(1_000_000):
    spool.append(b'[%d]' % number)
    print(number, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    made = Spool(folder, LIMIT)
    yield made
    made.close()


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file holds three events or so."""
    monkeypatch.setattr(log_segments, "SEGMENT", 50)


@contextmanager
def opened(folder: Path, limit: int = LIMIT) -> Iterator[Spool]:
    """What the next process finds."""
    spool = Spool(folder, limit)
    try:
        yield spool
    finally:
        spool.close()


@contextmanager
def full_disk(at: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
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


def fill(spool: Spool, events: list[bytes] = EVENTS) -> None:
    for each in events:
        spool.append(each)


def shipped(spool: Spool) -> list[bytes]:
    """Everything, taken out."""
    found = []
    while events := spool.read():
        found += events
        spool.shipped()
    return found


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in logs(folder))


def test_what_is_written_is_read_in_its_order_until_it_is_shipped(spool: Spool) -> None:
    assert spool.read() == []
    fill(spool)
    assert spool.read() == spool.read() == EVENTS
    assert spool.events == 10
    spool.shipped()
    assert (spool.read(), spool.events, spool.bytes, spool.lost) == ([], 0, 0, 0)


def test_what_comes_after_a_read_is_not_shipped_with_it(spool: Spool) -> None:
    fill(spool, EVENTS[:4])
    assert spool.read() == EVENTS[:4]
    fill(spool, EVENTS[4:])
    spool.shipped()
    assert spool.events == 6
    assert shipped(spool) == EVENTS[4:]


def test_large_events_are_read_whole_and_few_at_a_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "BATCH", 100)
    large = b'"' + b"x" * 1_000 + b'"'
    fill(spool, [*EVENTS, large, *EVENTS])
    assert 0 < len(spool.read()) < 10
    assert shipped(spool) == [*EVENTS, large, *EVENTS]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(WORDS, WORDS | st.floats(allow_nan=False) | st.lists(WORDS), max_size=3), max_size=5))
def test_any_json_comes_back_as_it_was_from_this_process_and_from_the_next(values: list[Any]) -> None:
    events = [to_json(value) for value in values]
    with tempfile.TemporaryDirectory() as made:
        with opened(Path(made)) as spool:
            fill(spool, events)
            assert spool.read() == events
        with opened(Path(made)) as spool:
            assert shipped(spool) == events


def test_what_is_not_shipped_waits_for_the_next_process(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool, EVENTS[:3])
        shipped(spool)
        fill(spool, EVENTS[3:5])
    with opened(folder) as spool:
        fill(spool, EVENTS[5:])
        assert (spool.events, spool.bytes) == (7, on_disk(folder))
        assert shipped(spool) == EVENTS[3:]
        assert (spool.events, spool.bytes, on_disk(folder)) == (0, 0, 0)


def test_what_was_read_but_not_shipped_is_read_by_the_next_process(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
        spool.read()
    with opened(folder) as spool:
        assert shipped(spool) == EVENTS


def test_a_killed_process_leaves_all_that_it_wrote(folder: Path) -> None:
    code = HOLD.format(module=Spool.__module__)
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(300)]
        process.kill()
        said += process.stdout.readlines()
    numbers = [int(line) for line in said if line.endswith("\n")]
    with opened(folder) as spool:
        found = [json.loads(each)[0] for each in shipped(spool)]
    assert found[: len(numbers)] == numbers
    assert len(found) - len(numbers) in (0, 1)  # the one that was written and not yet told


@pytest.mark.parametrize("keep", [1, 8, 12, 18])
def test_a_line_that_a_killed_process_did_not_finish_is_kept_aside_and_stops_nothing(folder: Path, keep: int) -> None:
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
def test_a_damaged_line_is_counted_and_kept_aside_and_the_rest_is_read(folder: Path, at: int) -> None:
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


@pytest.mark.usefixtures("short_segments")
def test_a_full_file_is_followed_by_another_and_goes_when_it_is_shipped(folder: Path, spool: Spool) -> None:
    fill(spool)
    assert len(logs(folder)) > 2
    assert spool.bytes == on_disk(folder)
    while events := spool.read():
        assert events == EVENTS[10 - spool.events :][: len(events)]
        spool.shipped()
        assert spool.bytes == on_disk(folder)
    assert len(logs(folder)) == 1
    assert on_disk(folder) == 0


@pytest.mark.usefixtures("short_segments")
def test_many_files_of_many_processes_are_read_in_their_order(folder: Path) -> None:
    for number in range(10):
        with opened(folder) as spool:
            fill(spool, EVENTS[number : number + 1] * 4)
    with opened(folder) as spool:
        assert shipped(spool) == [each for each in EVENTS for _ in range(4)]
    assert len(logs(folder)) == 1


def test_disk_is_given_back_when_all_is_shipped(folder: Path, spool: Spool) -> None:
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


def test_on_a_full_disk_nothing_is_accepted_and_no_half_line_is_left(folder: Path, spool: Spool) -> None:
    fill(spool, EVENTS[:5])
    before = on_disk(folder)
    for room in (0, 1, 18):
        with full_disk(before + room), pytest.raises(SpoolError, match="cannot be written"):
            spool.append(EVENTS[5])
        assert (on_disk(folder), spool.bytes, spool.events) == (before, before, 5)
    fill(spool, EVENTS[5:])
    assert shipped(spool) == EVENTS
    assert not (folder / "torn.kept").exists()


def test_what_cannot_be_kept_aside_is_still_counted(spool: Spool) -> None:
    with full_disk(0):
        spool.refuse(EVENTS[0])
    assert spool.lost == 1


def test_what_the_database_refuses_is_kept_for_a_person(folder: Path, spool: Spool) -> None:
    for each in EVENTS[:2]:
        spool.refuse(each)
    assert (folder / "refused.kept").read_bytes().splitlines() == EVENTS[:2]
    assert spool.lost == 2


def test_a_folder_belongs_to_one_service(folder: Path, spool: Spool) -> None:
    pytest.importorskip("fcntl")
    with pytest.raises(SpoolError, match=r"a service already runs with .*ML_SPOOL="):
        Spool(folder, LIMIT)
    fill(spool)
    assert shipped(spool) == EVENTS


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="file"):
        Spool(tmp_path / "file" / "spool", LIMIT)


def test_threads_that_write_at_once_lose_nothing_while_another_ships(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 500)
    each, found = 200, []

    def write(thread: int) -> None:
        for number in range(each):
            spool.append(b'{"n":[%d,%d]}' % (thread, number))

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(write, thread) for thread in range(4)]
        while not all(done.done() for done in work):
            found += shipped(spool)
        for done in work:
            done.result()
    found += shipped(spool)
    told = [tuple(json.loads(line)["n"]) for line in found]
    assert sorted(told) == [(thread, number) for thread in range(4) for number in range(each)]
    for thread in range(4):
        assert [number for writer, number in told if writer == thread] == list(range(each))
    assert (spool.events, spool.bytes, spool.lost) == (0, 0, 0)


def test_what_is_written_between_a_look_at_a_file_and_the_next_is_not_removed_with_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 1)
    late = EVENTS[:2]

    class Followed(io.FileIO):
        """A file that is written to, and followed by another, just after it was read."""

        def close(self) -> None:
            super().close()
            while late:
                spool.append(late.pop(0))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode: Followed(path))
        assert spool.read() == []
    assert not late
    assert shipped(spool) == EVENTS[:2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["append", "read", "ship", "ship one", "restart"]), max_size=40))
def test_whatever_happens_in_whatever_order_each_event_is_shipped_once(steps: list[str]) -> None:
    """Once, as long as no process ends between the database and `shipped`."""
    written = 0
    found: list[bytes] = []
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_segments, "SEGMENT", 40)
        patch.setattr(log_reader, "BATCH", 30)
        spool = Spool(Path(made), LIMIT)
        for step in steps:
            if step == "append":
                spool.append(event(written))
                written += 1
            elif step == "read":
                spool.read()
            elif step == "ship":
                found += spool.read()
                spool.shipped()
            elif step == "ship one":
                found += spool.read(1)
                spool.shipped()
            else:
                spool.close()
                spool = Spool(Path(made), LIMIT)
                # what was shipped of a file that is not yet removed comes again; the database knows it
                found = found[: written - spool.events]
            assert spool.events == written - len(found)
        found += shipped(spool)
        spool.close()
        assert on_disk(Path(made)) == 0
    assert found == [event(number) for number in range(written)]


def test_of_a_few_events_no_more_is_acknowledged_and_damage_between_them_is_kept_aside(spool: Spool) -> None:
    fill(spool)
    (path,) = spool.folder.glob("*.log")
    path.write_bytes(path.read_bytes().replace(EVENTS[0], EVENTS[0].upper()).replace(EVENTS[4], EVENTS[4].upper()))
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
