"""The end of the service: callers are sent elsewhere, and nothing that was answered or logged is
lost.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import eventually
from .bodies import body_of
from .callers import CallerLoad
from .service import ServiceProcess, running

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")]
DRAIN = 2


def test_while_draining_every_request_is_answered_and_sent_elsewhere(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=DRAIN) as service,
        CallerLoad(service, pause=0.002) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        received = time.monotonic()
        service.tell_to_end()
        eventually(lambda: service.operations("readyz")[0] == 503)
        draining, drained = time.monotonic(), received + DRAIN - 0.5
        time.sleep(max(0.0, drained - time.monotonic()))
        assert not [when for when in load.broken if when < drained]
        assert not [when for when in load.unclosed if draining < when]
        assert [when for when, _ in load.times if draining < when], (
            "nothing was answered while draining"
        )
        assert set(load.statuses) == {200}
        assert service.ended() == 0
        load.stop()
    assert not load.wrong
    load.stored()


def test_a_service_that_ends_at_once_stores_what_it_answered(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=6, rows=20) as load,
    ):
        eventually(lambda: len(load.answered) > 2_000)
        service.tell_to_end()
        assert service.ended() == 0
        load.stop()
    assert not load.wrong
    load.stored()


def test_a_second_signal_ends_the_drain(models: Path, tmp_path: Path, sqlite: str) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=600) as service,
        CallerLoad(service) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        service.tell_to_end()
        eventually(lambda: service.operations("readyz")[0] == 503)
        service.tell_to_end()
        assert service.ended() == 0
        load.stop()
    load.stored()


@pytest.fixture
def terminal() -> Iterator[None]:
    """As in a terminal: a service that is started under nohup inherits that SIGHUP is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="SIGHUP")
@pytest.mark.usefixtures("terminal")
def test_the_end_of_a_terminal_drains_as_well(models: Path, tmp_path: Path, sqlite: str) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=DRAIN) as service,
        CallerLoad(service, pause=0.002) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        service.tell_to_end(signal.SIGHUP)
        eventually(lambda: service.operations("readyz")[0] == 503)
        draining = time.monotonic()
        assert service.ended() == 0
        load.stop()
    assert [when for when, _ in load.times if draining < when], (
        "nothing was answered while draining"
    )
    assert not load.wrong
    load.stored()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="SIGHUP")
def test_a_service_that_is_to_outlive_its_terminal_does(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    before = signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # as nohup does, for the processes that come after
    try:
        with running(tmp_path, models, sqlite) as service:
            service.tell_to_end(signal.SIGHUP)
            time.sleep(0.5)
            assert service.answers()
            service.tell_to_end()
            assert service.ended() == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 3])
def test_every_answer_has_its_line_in_the_log_however_the_service_is_told_to_end(
    models: Path, tmp_path: Path, sqlite: str, by: signal.Signals, times: int
) -> None:
    with running(tmp_path, models, sqlite) as service, CallerLoad(service, callers=4) as load:
        eventually(lambda: len(load.answered) > 1_000)
        for _ in range(times):
            service.tell_to_end(by)
        assert service.ended() == 0
        load.stop()
    events = service.events()
    answered = sum(item["event"] == "request" and item["status"] == 200 for item in events)
    assert answered >= load.statuses[200]
    assert events[-1]["event"] == "ended"
    assert "Traceback" not in service.said()
    load.stored()


def test_a_log_that_is_read_slowly_has_its_last_lines_too(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    service = ServiceProcess(tmp_path, models, sqlite)
    os.mkfifo(service.log)
    reader = os.open(service.log, os.O_RDWR)
    content: list[bytes] = []
    try:
        service.start()
        answers = [service.ask("/v1/predict", body_of())[0] for _ in range(1_000)]
        service.tell_to_end()
        time.sleep(1.5)  # longer than lines were once waited for
        reading = threading.Thread(target=_read, args=(reader, content), daemon=True)
        reading.start()
        assert service.ended() == 0
        eventually(lambda: b'"ended"' in b"".join(content))
    finally:
        service.kill()
    lines = [json.loads(line) for line in b"".join(content).splitlines() if line.startswith(b"{")]
    assert sum(line["event"] == "request" for line in lines) == len(answers)


def _read(pipe: int, content: list[bytes]) -> None:
    while True:
        content.append(os.read(pipe, 4_096))
