"""The database of records is down for a while.

Predictions continue; the other routes return 503 with Retry-After.
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
from .bodies import OUTCOMES, body_of
from .callers import CallerLoad
from .postgres_server import Postgres
from .service import ServiceProcess, running

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")]
OUTAGE_SECONDS = 10


@pytest.fixture
def server(server: Postgres) -> Iterator[Postgres]:
    """Restart the server after the test if it is down."""
    yield server
    if not server.runs():
        server.start()


def outcome_of(service: ServiceProcess, prediction: str) -> tuple[int, dict[str, str], Any]:
    given = {"prediction_id": prediction, "outcome": OUTCOMES[1], "at": "2026-01-31T12:00:00Z"}
    return service.send("/v1/outcomes", json.dumps({"outcomes": [given]}).encode())


def mode_of(service: ServiceProcess) -> str:
    mode: str = json.loads(service.operations("readyz")[1])["mode"]
    return mode


def test_predictions_continue_during_a_database_outage(
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
        sender = threading.Thread(target=send, args=(service,), daemon=True)
        sender.start()
        eventually(lambda: len(received) > 3)
        assert {status for status, _, _ in received} == {200}, received[0]
        server.stop()
        until = time.monotonic() + OUTAGE_SECONDS
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
        sender.join(30)
        load.stop()
        service.wait_until_shipped()
    assert all("retry-after" in headers for status, headers, _ in received if status == 503)
    assert {status for status, _, _ in received} == {200, 503}
    assert set(load.statuses) == {200}
    assert not load.broken
    load.assert_stored()
    print(
        f"\n{len(load.answered)} predictions around a database outage of {OUTAGE_SECONDS} s, "
        f"all stored"
    )


@pytest.mark.parametrize("remembered", ["shadow", "automate"])
def test_service_that_starts_without_its_database_keeps_the_last_mode(
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
        status, _, received = service.send("/v1/predict", body_of())
        assert (status, received["mode"]) == (200, remembered)
        assert (received["predictions"][0]["decision"] is None) == (remembered == "shadow")
        assert outcome_of(service, "a case")[0] == 503
        server.start()
        service.wait_until_shipped()
        assert mode_of(service) == remembered


def test_new_service_without_a_database_starts_in_shadow(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    server.stop()
    with (
        running(tmp_path, models, postgresql, ML_MODE="automate") as service,
        CallerLoad(service, pause=0.01) as load,
    ):
        received = service.send("/v1/predict", body_of())[2]
        assert (received["mode"], received["predictions"][0]["decision"]) == ("shadow", None)
        server.start()
        eventually(lambda: mode_of(service) == "automate")
        load.stop()
        service.wait_until_shipped()
    assert set(load.statuses) == {200}
    load.assert_stored()


def test_shutdown_during_a_database_outage_loses_no_record(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    with running(tmp_path, models, postgresql) as service, CallerLoad(service, callers=3) as load:
        eventually(lambda: len(load.answered) > 100)
        server.stop()
        eventually(lambda: service.metric("ml_record_backlog_events") > 100)
        service.terminate()
        assert service.exit_status() in (0, -signal.SIGTERM)
        load.stop()
        server.start()
        service.start().wait_until_shipped()
    assert not load.errors
    load.assert_stored()


def test_late_migration_receives_all_earlier_predictions(
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
        service.wait_until_shipped()
    assert set(load.statuses) == {200}
    load.assert_stored()
