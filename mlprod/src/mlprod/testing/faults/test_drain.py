"""The shutdown of the service: it drains its callers and loses no prediction and no log line."""

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


def test_draining_service_answers_every_request_and_closes_its_connection(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=DRAIN) as service,
        CallerLoad(service, pause=0.002) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        received = time.monotonic()
        service.terminate()
        eventually(lambda: service.operations("readyz")[0] == 503)
        draining, drained = time.monotonic(), received + DRAIN - 0.5
        time.sleep(max(0.0, drained - time.monotonic()))
        assert not [when for when in load.broken if when < drained]
        assert not [when for when in load.unclosed if draining < when]
        assert [when for when, _ in load.times if draining < when], (
            "no request got a response during the drain"
        )
        assert set(load.statuses) == {200}
        assert service.exit_status() == 0
        load.stop()
    assert not load.errors
    load.assert_stored()


def test_immediate_shutdown_stores_every_prediction(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=6, rows=20) as load,
    ):
        eventually(lambda: len(load.answered) > 2_000)
        service.terminate()
        assert service.exit_status() == 0
        load.stop()
    assert not load.errors
    load.assert_stored()


def test_second_signal_ends_the_drain(models: Path, tmp_path: Path, sqlite: str) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=600) as service,
        CallerLoad(service) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        service.terminate()
        eventually(lambda: service.operations("readyz")[0] == 503)
        service.terminate()
        assert service.exit_status() == 0
        load.stop()
    load.assert_stored()


@pytest.fixture
def terminal() -> Iterator[None]:
    """Reset SIGHUP to its default, as in a terminal; nohup sets it to ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="SIGHUP")
@pytest.mark.usefixtures("terminal")
def test_sighup_of_a_closed_terminal_starts_the_drain(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=DRAIN) as service,
        CallerLoad(service, pause=0.002) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        service.terminate(signal.SIGHUP)
        eventually(lambda: service.operations("readyz")[0] == 503)
        draining = time.monotonic()
        assert service.exit_status() == 0
        load.stop()
    assert [when for when, _ in load.times if draining < when], (
        "no request got a response during the drain"
    )
    assert not load.errors
    load.assert_stored()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="SIGHUP")
def test_service_under_nohup_survives_the_end_of_its_terminal(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    # As nohup does for the processes that it starts.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(tmp_path, models, sqlite) as service:
            service.terminate(signal.SIGHUP)
            time.sleep(0.5)
            assert service.is_serving()
            service.terminate()
            assert service.exit_status() == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 3])
def test_every_prediction_has_its_log_line_after_any_shutdown_signal(
    models: Path, tmp_path: Path, sqlite: str, by: signal.Signals, times: int
) -> None:
    with running(tmp_path, models, sqlite) as service, CallerLoad(service, callers=4) as load:
        eventually(lambda: len(load.answered) > 1_000)
        for _ in range(times):
            service.terminate(by)
        assert service.exit_status() == 0
        load.stop()
    events = service.events()
    answered = sum(item["event"] == "request" and item["status"] == 200 for item in events)
    assert answered >= load.statuses[200]
    assert events[-1]["event"] == "ended"
    assert "Traceback" not in service.log_tail()
    load.assert_stored()


def test_slowly_read_log_is_complete(models: Path, tmp_path: Path, sqlite: str) -> None:
    service = ServiceProcess(tmp_path, models, sqlite)
    os.mkfifo(service.log)
    reader = os.open(service.log, os.O_RDWR)
    content: list[bytes] = []
    try:
        service.start()
        answers = [service.send("/v1/predict", body_of())[0] for _ in range(1_000)]
        service.terminate()
        # Longer than an earlier version waited for the reader.
        time.sleep(1.5)
        reading = threading.Thread(target=_read, args=(reader, content), daemon=True)
        reading.start()
        assert service.exit_status() == 0
        eventually(lambda: b'"ended"' in b"".join(content))
    finally:
        service.kill()
    lines = [json.loads(line) for line in b"".join(content).splitlines() if line.startswith(b"{")]
    assert sum(line["event"] == "request" for line in lines) == len(answers)


def _read(pipe: int, content: list[bytes]) -> None:
    while True:
        content.append(os.read(pipe, 4_096))
