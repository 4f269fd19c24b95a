import io
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from event_logs import (
    EVENTS,
    LIMIT,
    event,
    fill,
    folder,
    logs,
    on_disk,
    opened,
    shipped,
    short_segments,
    spool,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from mlprod.records import log_reader, log_segments
from mlprod.records.errors import EventLogError
from mlprod.records.event_log import EventLog

__all__ = ["folder", "short_segments", "spool"]


TEXTS = st.text("az09 {}[]:,'\"\\/\0\x1f\x7f\n\r\téß€\u2028\ufeff🐟", max_size=10)


def test_events_are_read_in_order_until_acknowledged(spool: EventLog) -> None:
    assert spool.read() == []
    fill(spool)
    assert spool.read() == spool.read() == EVENTS
    assert spool.events == 10
    spool.acknowledge()
    assert (spool.read(), spool.events, spool.bytes, spool.lost) == ([], 0, 0, 0)


def test_event_after_a_read_is_not_acknowledged_with_it(spool: EventLog) -> None:
    fill(spool, EVENTS[:4])
    assert spool.read() == EVENTS[:4]
    fill(spool, EVENTS[4:])
    spool.acknowledge()
    assert spool.events == 6
    assert shipped(spool) == EVENTS[4:]


def test_large_events_are_read_completely_and_few_at_a_time(
    spool: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BATCH", 100)
    large = b'"' + b"x" * 1_000 + b'"'
    fill(spool, [*EVENTS, large, *EVENTS])
    assert 0 < len(spool.read()) < 10
    assert shipped(spool) == [*EVENTS, large, *EVENTS]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.dictionaries(TEXTS, TEXTS | st.floats(allow_nan=False) | st.lists(TEXTS), max_size=3),
        max_size=5,
    )
)
def test_any_json_is_read_unchanged_by_this_process_and_the_next(
    values: list[Any],
) -> None:
    events = [to_json(value) for value in values]
    with tempfile.TemporaryDirectory() as made:
        with opened(Path(made)) as spool:
            fill(spool, events)
            assert spool.read() == events
        with opened(Path(made)) as spool:
            assert shipped(spool) == events


def test_unshipped_events_remain_for_the_next_process(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool, EVENTS[:3])
        shipped(spool)
        fill(spool, EVENTS[3:5])
    with opened(folder) as spool:
        fill(spool, EVENTS[5:])
        assert (spool.events, spool.bytes) == (7, on_disk(folder))
        assert shipped(spool) == EVENTS[3:]
        assert (spool.events, spool.bytes, on_disk(folder)) == (0, 0, 0)


def test_read_but_unshipped_events_are_read_by_the_next_process(folder: Path) -> None:
    with opened(folder) as spool:
        fill(spool)
        spool.read()
    with opened(folder) as spool:
        assert shipped(spool) == EVENTS


@pytest.mark.usefixtures("short_segments")
def test_full_file_is_followed_by_another_and_removed_when_shipped(
    folder: Path, spool: EventLog
) -> None:
    fill(spool)
    assert len(logs(folder)) > 2
    assert spool.bytes == on_disk(folder)
    while events := spool.read():
        assert events == EVENTS[10 - spool.events :][: len(events)]
        spool.acknowledge()
        assert spool.bytes == on_disk(folder)
    assert len(logs(folder)) == 1
    assert on_disk(folder) == 0


@pytest.mark.usefixtures("short_segments")
def test_files_of_many_processes_are_read_in_order(folder: Path) -> None:
    for number in range(10):
        with opened(folder) as spool:
            fill(spool, EVENTS[number : number + 1] * 4)
    with opened(folder) as spool:
        assert shipped(spool) == [item for item in EVENTS for _ in range(4)]
    assert len(logs(folder)) == 1


def test_folder_belongs_to_one_service(folder: Path, spool: EventLog) -> None:
    pytest.importorskip("fcntl")
    with pytest.raises(EventLogError, match=r"a service already runs with .*ML_EVENT_LOG_DIR="):
        EventLog(folder, LIMIT)
    fill(spool)
    assert shipped(spool) == EVENTS


def test_impossible_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EventLogError, match="file"):
        EventLog(tmp_path / "file" / "spool", LIMIT)


def test_concurrent_writers_lose_nothing_while_another_thread_ships(
    spool: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 500)
    count, result = 200, []

    def write(thread: int) -> None:
        for number in range(count):
            spool.append(b'{"n":[%d,%d]}' % (thread, number))

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(write, thread) for thread in range(4)]
        while not all(done.done() for done in work):
            result += shipped(spool)
        for done in work:
            done.result()
    result += shipped(spool)
    received = [tuple(json.loads(line)["n"]) for line in result]
    assert sorted(received) == [(thread, number) for thread in range(4) for number in range(count)]
    for thread in range(4):
        assert [number for writer, number in received if writer == thread] == list(range(count))
    assert (spool.events, spool.bytes, spool.lost) == (0, 0, 0)


def test_event_written_during_a_read_is_not_removed_with_the_file(
    spool: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT", 1)
    late = EVENTS[:2]

    class Followed(io.FileIO):
        """A file that gets an event and a following file just after it was read."""

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
def test_each_event_is_shipped_once_for_any_order_of_steps(steps: list[str]) -> None:
    """Once, unless a process ends between the insert into the database and `acknowledge`."""
    written = 0
    result: list[bytes] = []
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_segments, "SEGMENT", 40)
        patch.setattr(log_reader, "BATCH", 30)
        spool = EventLog(Path(made), LIMIT)
        for step in steps:
            if step == "append":
                spool.append(event(written))
                written += 1
            elif step == "read":
                spool.read()
            elif step == "ship":
                result += spool.read()
                spool.acknowledge()
            elif step == "ship one":
                result += spool.read(1)
                spool.acknowledge()
            else:
                spool.close()
                spool = EventLog(Path(made), LIMIT)
                # Shipped events of a file that still exists are read again; the database ignores
                # them.
                result = result[: written - spool.events]
            assert spool.events == written - len(result)
        result += shipped(spool)
        spool.close()
        assert on_disk(Path(made)) == 0
    assert result == [event(number) for number in range(written)]
