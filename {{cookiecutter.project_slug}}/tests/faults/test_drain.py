"""SIGTERM: callers are sent elsewhere, and nothing that was answered is lost."""

import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import eventually

from .harm import Load, running

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")]
DRAIN = 2


def test_while_draining_every_request_is_answered_and_sent_elsewhere(models: Path, tmp_path: Path, sqlite: str) -> None:
    with running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=DRAIN) as service, Load(service, pause=0.002) as load:
        eventually(lambda: len(load.answered) > 100)
        told = time.monotonic()
        service.tell_to_end()
        eventually(lambda: service.operations("readyz")[0] == 503)
        draining, drained = time.monotonic(), told + DRAIN - 0.5
        time.sleep(max(0.0, drained - time.monotonic()))
        assert not [when for when in load.broken if when < drained]
        assert not [when for when in load.unclosed if draining < when]
        assert [when for when, _ in load.times if draining < when], "nothing was answered while draining"
        assert set(load.statuses) == {200}
        assert service.ended() in (0, -signal.SIGTERM)
        load.stop()
    assert not load.wrong
    load.stored()


def test_a_service_that_ends_at_once_stores_what_it_answered(models: Path, tmp_path: Path, sqlite: str) -> None:
    with running(tmp_path, models, sqlite) as service, Load(service, callers=6, rows=20) as load:
        eventually(lambda: len(load.answered) > 2_000)
        service.tell_to_end()
        assert service.ended() in (0, -signal.SIGTERM)
        load.stop()
    assert not load.wrong
    load.stored()


def test_a_second_signal_ends_the_drain(models: Path, tmp_path: Path, sqlite: str) -> None:
    with running(tmp_path, models, sqlite, ML_DRAIN_SECONDS=600) as service, Load(service) as load:
        eventually(lambda: len(load.answered) > 100)
        service.tell_to_end()
        eventually(lambda: service.operations("readyz")[0] == 503)
        service.tell_to_end()
        assert service.ended() in (0, -signal.SIGTERM)
        load.stop()
    load.stored()
