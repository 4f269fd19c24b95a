"""kill -9: what was answered is stored once, however often the service dies."""

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
    pytest.mark.skipif(sys.platform == "win32", reason="stops and kills services by POSIX signals"),
]


@pytest.mark.parametrize(("database", "kills"), [("sqlite", 14), ("postgresql", 6)])
def test_no_kill_loses_or_doubles_an_answer(
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
        assert not load.wrong
        service.shipped()
        load.stored()
        assert service.metric("ml_records_lost_total") == 0
    print(
        f"\n{database}: {kills} kills, {len(load.answered)} answers, {len(load.broken)} "
        f"broken, all stored once"
    )
