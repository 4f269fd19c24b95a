"""The kill switch under faults: a database outage, a full disk, kill -9, a blocked server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...ops.migrate import migrate
from ...records.store import Store
from ..waiting import eventually
from .bodies import PACKAGE, body_of, full_body
from .callers import CallerLoad
from .postgres_server import Postgres
from .service import ServiceProcess, running
from .small_disk import small_disk
from .test_full_disk import fill

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9, SIGSTOP"),
]
STOP = json.dumps({"mode": "shadow", "reason": "it declines everybody"}).encode()


@pytest.fixture
def server(server: Postgres) -> Iterator[Postgres]:
    """Restart the server after the test if it is down."""
    yield server
    if not server.runs():
        server.start()


def mode_of(service: ServiceProcess) -> tuple[str, str]:
    content = json.loads(service.operations("readyz")[1])
    return content["mode"], content["mode_source"]


def decides(service: ServiceProcess) -> bool:
    status, _, content = service.send("/v1/predict", body_of())
    assert status == 200, content
    return content["predictions"][0]["decision"] is not None


def processes(server: Postgres) -> list[int]:
    """Return the process ids of the server: the parent process first, then its children."""
    first = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def verb(service: ServiceProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verb set-mode on the machine of the service."""
    command = [sys.executable, "-m", PACKAGE, "set-mode", *arguments]
    return subprocess.run(
        command, env=service.environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_kill_switch_during_an_outage_survives_a_restart_and_reaches_all_replicas_later(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        running(tmp_path / "one", models, postgresql) as here,
        running(tmp_path / "two", models, postgresql) as there,
        CallerLoad(here, callers=2, pause=0.01) as load,
    ):
        assert decides(here)
        assert decides(there)
        server.stop()
        status, _, content = here.send("/v1/mode", STOP)
        assert (status, content["mode"], content["stored"]) == (200, "shadow", False)
        assert not decides(here)
        assert here.metric("ml_mode_unsaved") == 1
        here.kill()
        here.start()
        assert mode_of(here) == ("shadow", "replica")
        assert not decides(here)
        assert decides(there), "the replicas share only the database"
        server.start()
        eventually(lambda: mode_of(here) == mode_of(there) == ("shadow", "database"))
        assert not decides(there)
        assert here.metric("ml_mode_unsaved") == 0
        load.stop()
        here.wait_until_shipped()
    stored = Store(postgresql).mode()
    assert stored
    assert (stored.mode, stored.who, stored.why) == ("shadow", "local", "it declines everybody")
    load.assert_stored()


def test_set_mode_stops_the_service_of_its_machine_without_the_database(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    with running(tmp_path, models, postgresql) as service:
        assert decides(service)
        server.stop()
        done = verb(service, "shadow", "--reason", "it declines everybody", "--actor", "grace")
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(service.spool) in done.stdout
        eventually(lambda: mode_of(service) == ("shadow", "replica"))
        service.kill()
        service.start()
        assert not decides(service)
        assert verb(service, "assist", "--reason", "all is well").returncode == 1
        server.start()
        eventually(lambda: mode_of(service) == ("shadow", "database"))
        assert "by grace: it declines everybody" in verb(service).stdout
        assert verb(
            service, "assist", "--reason", "all is well", "--actor", "grace"
        ).returncode in (0, 1)


def test_kill_switch_with_a_full_disk_and_no_database_survives_a_restart(
    models: Path, tmp_path: Path
) -> None:
    # The database has no tables.
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; works: run as root")
        spool = folder / "spool"
        spool.mkdir()
        (spool / "mode").write_text("automate")
        with running(tmp_path, models, url, ML_EVENT_LOG_DIR=spool) as service:
            assert decides(service)
            fill(folder / "other")
            assert service.send("/v1/predict", full_body())[0] == 503
            status, _, content = service.send("/v1/mode", STOP)
            assert (status, content["mode"], content["stored"]) == (200, "shadow", False)
            assert "remembered in" in content["detail"]
            service.kill()
            service.start()
            assert mode_of(service) == ("shadow", "replica")
            (folder / "other").unlink()
            assert not decides(service)
            migrate(url)
            eventually(lambda: mode_of(service) == ("shadow", "database"))


def test_kill_switch_does_not_wait_for_a_blocked_database(
    models: Path, tmp_path: Path, server: Postgres, postgresql: str
) -> None:
    Store(postgresql).set_mode("automate", "you", "a test")
    with running(tmp_path, models, postgresql, ML_MODE_FILE=tmp_path / "mode-file") as service:
        eventually(lambda: mode_of(service) == ("automate", "database"))
        stopped = processes(server)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            (tmp_path / "mode-file").write_text("assist")
            eventually(lambda: mode_of(service) == ("assist", "file"))
            status, _, content = service.send("/v1/mode", STOP)
            assert (status, content["mode"], content["stored"]) == (200, "shadow", False)
            assert not decides(service)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        eventually(lambda: mode_of(service) == ("shadow", "database"))


def test_replicas_that_share_only_the_mode_file_stop_and_resume_together(
    models: Path, tmp_path: Path, sqlite: str, postgresql: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    file = tmp_path / "mode-file"
    with (
        running(tmp_path / "one", models, sqlite, ML_MODE_FILE=file) as here,
        running(tmp_path / "two", models, postgresql, ML_MODE_FILE=file) as there,
    ):
        assert decides(here)
        assert decides(there)
        file.write_text("shadow complaints since noon")
        eventually(lambda: mode_of(here) == mode_of(there) == ("shadow", "file"))
        assert not decides(here)
        assert not decides(there)
        file.write_text("no-such-mode")
        eventually(
            lambda: here.metric("ml_mode_file_invalid") == there.metric("ml_mode_file_invalid") == 1
        )
        assert not decides(here)
        file.unlink()
        eventually(lambda: decides(here) and decides(there))
