"""The database of records goes away and comes back: predictions go on, the rest says when to come
again.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...ops.migrate import migrate
from ...records.store import Store
from ..waiting import eventually
from .bodies import body_of
from .callers import CallerLoad
from .postgres_server import Postgres
from .service import ServiceProcess, running

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")]
AWAY_SECONDS = 10


@pytest.fixture
def server(server: Postgres) -> Iterator[Postgres]:
    """The server runs again afterwards, for the next test."""
    yield server
    if not server.runs():
        server.start()


def outcome_of(service: ServiceProcess, prediction: str) -> tuple[int, dict[str, str], Any]:
    given = {"prediction_id": prediction, "outcome": 1, "at": "2026-01-31T12:00:00Z"}
    return service.ask("/v1/outcomes", json.dumps({"outcomes": [given]}).encode())


def mode_of(service: ServiceProcess) -> str:
    mode: str = json.loads(service.operations("readyz")[1])["mode"]
    return mode


def test_predictions_go_on_while_the_database_is_away(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    received: list[tuple[int, dict[str, str], Any]] = []
    enough = threading.Event()

    def send(service: ServiceProcess) -> None:
        while not enough.wait(0.2):
            received.append(outcome_of(service, f"case-{len(received)}"))

    with (
        running(tmp_path, models, postgresql) as service,
        CallerLoad(service, callers=3, pause=0.005) as load,
    ):
        teller = threading.Thread(target=send, args=(service,), daemon=True)
        teller.start()
        eventually(lambda: len(received) > 3)
        assert {status for status, _, _ in received} == {200}, received[0]
        server.stop()
        until = time.monotonic() + AWAY_SECONDS
        eventually(lambda: service.metric("ml_record_store_up") == 0)
        before, refused = len(load.answered), len(received)
        time.sleep(max(0.0, until - time.monotonic()))
        assert len(load.answered) > before + 100
        assert {status for status, _, _ in received[refused + 1 :]} == {503}
        assert service.metric("ml_record_backlog_events") > 100
        server.start()
        eventually(lambda: service.metric("ml_record_store_up") == 1)
        eventually(lambda: received[-1][0] == 200)
        enough.set()
        teller.join(30)
        load.stop()
        service.shipped()
    assert all("retry-after" in headers for status, headers, _ in received if status == 503)
    assert {status for status, _, _ in received} == {200, 503}
    assert set(load.statuses) == {200}
    assert not load.broken
    load.stored()
    print(f"\n{len(load.answered)} answers around {AWAY_SECONDS} s without a database, all stored")


@pytest.mark.parametrize("remembered", ["shadow", "automate"])
def test_a_service_that_starts_without_its_database_keeps_the_mode_that_held(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str, remembered: str
) -> None:
    with running(tmp_path, models, postgresql) as service:
        assert mode_of(service) == "assist"
        Store(postgresql).set_mode(remembered, "you", "a test")
        eventually(lambda: mode_of(service) == remembered)
        server.stop()
        service.kill()
        service.start()
        assert mode_of(service) == remembered
        status, _, received = service.ask("/v1/predict", body_of())
        assert (status, received["mode"]) == (200, remembered)
        assert (received["predictions"][0]["decision"] is None) == (remembered == "shadow")
        assert outcome_of(service, "a case")[0] == 503
        server.start()
        service.shipped()
        assert mode_of(service) == remembered


def test_a_new_service_without_a_database_decides_nothing(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    server.stop()
    with (
        running(tmp_path, models, postgresql, ML_MODE="automate") as service,
        CallerLoad(service, pause=0.01) as load,
    ):
        received = service.ask("/v1/predict", body_of())[2]
        assert (received["mode"], received["predictions"][0]["decision"]) == ("shadow", None)
        server.start()
        eventually(lambda: mode_of(service) == "automate")
        load.stop()
        service.shipped()
    assert set(load.statuses) == {200}
    load.stored()


def test_ending_while_the_database_is_away_loses_nothing(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    with running(tmp_path, models, postgresql) as service, CallerLoad(service, callers=3) as load:
        eventually(lambda: len(load.answered) > 100)
        server.stop()
        eventually(lambda: service.metric("ml_record_backlog_events") > 100)
        service.tell_to_end()
        assert service.ended() in (0, -signal.SIGTERM)
        load.stop()
        server.start()
        service.start().shipped()
    assert not load.wrong
    load.stored()


def test_tables_that_come_late_get_everything(
    models: Path, tmp_path: Path, server: Postgres
) -> None:
    url = server.database()
    with (
        running(tmp_path, models, url) as service,
        CallerLoad(service, callers=2, pause=0.005) as load,
    ):
        eventually(lambda: len(load.answered) > 100)
        assert service.metric("ml_record_store_up") == 0
        migrate(url)
        eventually(lambda: service.metric("ml_record_store_up") == 1)
        load.stop()
        service.shipped()
    assert set(load.statuses) == {200}
    load.stored()
