"""kill -9: every prediction is stored exactly once, however often a test kills the service."""

import random
import sys
import time
from pathlib import Path

import pytest

from ..waiting import eventually
from .callers import CallerLoad
from .service import running

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]


@pytest.mark.parametrize(("database", "kills"), [("sqlite", 14), ("postgresql", 6)])
def test_kill_neither_loses_nor_duplicates_a_prediction(
    request: pytest.FixtureRequest, models: Path, tmp_path: Path, database: str, kills: int
) -> None:
    moment = random.Random(kills)  # noqa: S311
    with (
        running(tmp_path, models, request.getfixturevalue(database)) as service,
        CallerLoad(service, callers=3, pause=0.001) as load,
    ):
        for _ in range(kills):
            before = len(load.answered)
            time.sleep(moment.uniform(0.1, 1.0))
            eventually(lambda before=before: len(load.answered) > before)  # type: ignore[misc]
            service.kill()
            service.start()
        load.stop()
        assert not load.errors
        service.wait_until_shipped()
        load.assert_stored()
        assert service.metric("ml_records_lost_total") == 0
    print(
        f"\n{database}: {kills} kills, {len(load.answered)} predictions, {len(load.broken)} "
        f"broken connections, all stored once"
    )
