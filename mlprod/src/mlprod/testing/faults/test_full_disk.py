"""No room for the event log: nothing is answered that cannot be written down, and it goes on by
itself.
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
    pytest.mark.skipif(sys.platform == "win32", reason="stops and kills services by POSIX signals"),
]


@pytest.fixture(params=["limit", "disk"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, object]]:
    """The environment of a service whose event log has room for about a megabyte."""
    if request.param == "limit":
        yield {"ML_EVENT_LOG_MAX_MB": 1}
        return
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; that takes root")
        yield {"ML_EVENT_LOG_DIR": folder / "spool"}


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4_096))


def test_without_room_nothing_is_answered_and_with_room_it_goes_on(
    models: Path, tmp_path: Path, room: dict[str, object]
) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"  # without tables, so that nothing can be shipped
    with (
        running(tmp_path, models, url, **room) as service,
        CallerLoad(service, callers=2, rows=50, pause=0.005) as load,
    ):
        eventually(lambda: len(load.reasons) > 20)
        assert service.metric('ml_requests_shed_total{reason="records"}') > 20
        assert service.operations("healthz")[0] == 200
        eventually(lambda: service.operations("readyz")[0] == 503)
        service.kill()  # and it starts without room too
        service.start("healthz")
        status, headers, received = service.ask("/v1/predict", full_body())
        assert (status, "retry-after" in headers) == (503, True)
        assert "cannot be recorded" in received["detail"]
        assert service.operations("readyz")[0] == 503
        migrate(url)
        before = len(load.answered)
        eventually(lambda: len(load.answered) > before + 1_000)
        load.stop()
        service.shipped()
        eventually(lambda: service.operations("readyz")[0] == 200)
        assert service.metric("ml_records_lost_total") == 0
    assert not load.wrong
    assert set(load.statuses) == {200, 503}
    assert all("cannot be recorded" in reason for reason in load.reasons)
    load.stored()


def test_what_fills_the_disk_beside_the_event_log_stops_answers_only_while_it_is_there(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; that takes root")
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
            service.shipped()
            assert service.metric("ml_records_lost_total") == 0
        assert not load.wrong
        load.stored()


def removed(folder: Path) -> None:
    """As `rm -rf`, which leaves the folder if the service writes a new file in the meantime."""
    shutil.rmtree(folder, ignore_errors=True)


def moved(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize("harm", [removed, moved])
def test_a_removed_folder_loses_no_answer_while_the_service_runs(
    models: Path, tmp_path: Path, sqlite: str, harm: Callable[[Path], object]
) -> None:
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=3, pause=0.001) as load,
    ):
        for _ in range(5):
            before = len(load.answered)
            eventually(lambda before=before: len(load.answered) > before + 200)  # type: ignore[misc]
            harm(service.spool)
            eventually((service.spool / "lock").exists)
            shutil.rmtree(tmp_path / "moved", ignore_errors=True)
        load.stop()
        service.shipped()
        assert service.metric("ml_records_lost_total") == 0
        assert service.metric("ml_event_log_writable") == 1
        eventually(
            lambda: any(
                "was removed while the service ran" in item["event"] for item in service.events()
            )
        )
    assert not load.wrong
    assert set(load.statuses) == {200}
    load.stored()


def test_answers_that_go_with_a_removed_folder_are_counted_although_the_database_is_away(
    models: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"  # without tables, so that nothing can be shipped
    with running(tmp_path, models, url) as service:
        while len(list(service.spool.glob("*.log"))) < 2:
            assert service.ask("/v1/predict", full_body())[0] == 200
        waiting = service.metric("ml_record_backlog_events")
        shutil.rmtree(service.spool)
        eventually(lambda: service.metric("ml_records_lost_total") > 0)
        lost = service.metric("ml_records_lost_total")
        assert service.answers()
        assert service.metric("ml_record_backlog_events") == waiting - lost + 1
        migrate(url)
        service.shipped()
        assert service.metric("ml_records_lost_total") == lost
