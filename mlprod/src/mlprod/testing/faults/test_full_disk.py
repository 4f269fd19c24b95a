"""A full event log: the service rejects every prediction that it cannot record.

It resumes without a restart once there is space again.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...ops.migrate import migrate
from ..waiting import eventually
from .bodies import full_body
from .callers import CallerLoad
from .service import running
from .small_disk import small_disk

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]


@pytest.fixture(params=["limit", "disk"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, object]]:
    """Return the environment of a service whose event log has about one megabyte of space."""
    if request.param == "limit":
        yield {"ML_EVENT_LOG_MAX_MB": 1}
        return
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; works: run as root")
        yield {"ML_EVENT_LOG_DIR": folder / "spool"}


def fill(path: Path) -> None:
    """Write to a file until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4_096))


def test_full_event_log_rejects_predictions_until_there_is_space(
    models: Path, tmp_path: Path, room: dict[str, object]
) -> None:
    # The database has no tables, so that the service cannot ship records.
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with (
        running(tmp_path, models, url, **room) as service,
        CallerLoad(service, callers=2, rows=50, pause=0.005) as load,
    ):
        eventually(lambda: len(load.reasons) > 20)
        assert service.metric('ml_requests_shed_total{reason="records"}') > 20
        assert service.operations("healthz")[0] == 200
        eventually(lambda: service.operations("readyz")[0] == 503)
        service.kill()
        # The service also starts with a full event log.
        service.start("healthz")
        status, headers, received = service.send("/v1/predict", full_body())
        assert (status, "retry-after" in headers) == (503, True)
        assert "cannot be recorded" in received["detail"]
        assert service.operations("readyz")[0] == 503
        migrate(url)
        before = len(load.answered)
        eventually(lambda: len(load.answered) > before + 1_000)
        load.stop()
        service.wait_until_shipped()
        eventually(lambda: service.operations("readyz")[0] == 200)
        assert service.metric("ml_records_lost_total") == 0
    assert not load.errors
    assert set(load.statuses) == {200, 503}
    assert all("cannot be recorded" in reason for reason in load.reasons)
    load.assert_stored()


def test_disk_filled_by_another_file_blocks_predictions_only_until_its_removal(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; works: run as root")
        spool = folder / "spool"
        with (
            running(tmp_path, models, sqlite, ML_EVENT_LOG_DIR=spool) as service,
            CallerLoad(service, callers=2, rows=50) as load,
        ):
            eventually(lambda: len(load.answered) > 1_000)
            for _ in range(3):
                fill(folder / "other")
                refused = len(load.reasons)
                eventually(lambda refused=refused: len(load.reasons) > refused + 5)  # type: ignore[misc]
                (folder / "other").unlink()
                before = len(load.answered)
                eventually(lambda before=before: len(load.answered) > before + 1_000)  # type: ignore[misc]
            load.stop()
            service.wait_until_shipped()
            assert service.metric("ml_records_lost_total") == 0
        assert not load.errors
        load.assert_stored()


def removed(folder: Path) -> None:
    """Remove the folder as `rm -rf` does: it stays if the service writes a new file meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)


def moved(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize("damage", [removed, moved])
def test_removed_event_log_folder_loses_no_prediction_while_the_service_runs(
    models: Path, tmp_path: Path, sqlite: str, damage: Callable[[Path], object]
) -> None:
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=3, pause=0.001) as load,
    ):
        for _ in range(5):
            before = len(load.answered)
            eventually(lambda before=before: len(load.answered) > before + 200)  # type: ignore[misc]
            damage(service.spool)
            eventually((service.spool / "lock").exists)
            shutil.rmtree(tmp_path / "moved", ignore_errors=True)
        load.stop()
        service.wait_until_shipped()
        assert service.metric("ml_records_lost_total") == 0
        assert service.metric("ml_event_log_writable") == 1
        eventually(
            lambda: any(
                "was removed while the service ran" in item["event"] for item in service.events()
            )
        )
    assert not load.errors
    assert set(load.statuses) == {200}
    load.assert_stored()


def test_records_lost_with_a_removed_folder_are_counted_during_a_database_outage(
    models: Path, tmp_path: Path
) -> None:
    # The database has no tables, so that the service cannot ship records.
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with running(tmp_path, models, url) as service:
        while len(list(service.spool.glob("*.log"))) < 2:
            assert service.send("/v1/predict", full_body())[0] == 200
        waiting = service.metric("ml_record_backlog_events")
        shutil.rmtree(service.spool)
        eventually(lambda: service.metric("ml_records_lost_total") > 0)
        lost = service.metric("ml_records_lost_total")
        assert service.is_serving()
        assert service.metric("ml_record_backlog_events") == waiting - lost + 1
        migrate(url)
        service.wait_until_shipped()
        assert service.metric("ml_records_lost_total") == lost
