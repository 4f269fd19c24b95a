"""No room for the event log: nothing is answered that cannot be written down, and it goes on by itself."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually

from {{cookiecutter.package_name}}.pipeline.migrate import migrate

from .harm import Load, full_body, running, small_disk

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="kill -9")]


@pytest.fixture(params=["limit", "disk"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, object]]:
    """The environment of a service whose event log has room for about a megabyte."""
    if request.param == "limit":
        yield {"ML_SPOOL_MEGABYTES": 1}
        return
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        if not folder:
            pytest.skip("a small file system cannot be mounted here; that takes root")
        yield {"ML_SPOOL": folder / "spool"}


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4_096))


def test_without_room_nothing_is_answered_and_with_room_it_goes_on(
    models: Path, tmp_path: Path, room: dict[str, object]
) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"  # without tables, so that nothing can be shipped
    with running(tmp_path, models, url, **room) as service, Load(service, callers=2, rows=50, pause=0.005) as load:
        eventually(lambda: len(load.reasons) > 20)
        assert service.metric('ml_requests_shed_total{reason="records"}') > 20
        assert service.operations("healthz")[0] == 200
        service.kill()  # and it starts without room too
        service.start()
        status, headers, told = service.ask("/v1/predict", full_body())
        assert (status, "retry-after" in headers) == (503, True)
        assert "cannot be recorded" in told["detail"]
        migrate(url)
        before = len(load.answered)
        eventually(lambda: len(load.answered) > before + 1_000)
        load.stop()
        service.shipped()
        assert service.metric("ml_events_lost_total") == 0
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
        with running(tmp_path, models, sqlite, ML_SPOOL=spool) as service, Load(service, callers=2, rows=50) as load:
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
            assert service.metric("ml_events_lost_total") == 0
        assert not load.wrong
        load.stored()
