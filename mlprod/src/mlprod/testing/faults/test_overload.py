"""Overload: the service sheds requests and continues to serve."""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ...serving.connection_limits import MAX_CONNECTIONS, SLOW_SECONDS
from ...settings import Settings
from ..waiting import eventually
from .bodies import body_of
from .callers import CallerLoad, stored
from .service import HOST, ServiceProcess, running
from .sockets import answer_of, connected, request

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]
CALLERS, BATCH, ROUNDS = 300, 300, 4


async def _overload(service: ServiceProcess, rounds: int) -> tuple[Counter[str], dict[str, float]]:
    """Send batches from all callers at the same time, for some rounds."""
    counted: Counter[str] = Counter()
    answered: dict[str, float] = {}
    content = request(body_of(BATCH))

    async def call() -> None:
        reader, writer = await asyncio.open_connection(HOST, service.port)
        for _ in range(rounds):
            writer.write(content)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            received = json.loads(await reader.readexactly(int(headers["content-length"])))
            status = lines[0].split()[1]
            counted[
                status if status != "503" or "retry-after" in headers else "503 unannounced"
            ] += 1
            if status == "200":
                answered.update({item["id"]: item["score"] for item in received["predictions"]})
        writer.close()

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(CALLERS))), 120)
    return counted, answered


def test_every_caller_gets_200_or_503_with_retry_after(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with running(tmp_path, models, sqlite) as service:
        counted, answered = asyncio.run(_overload(service, ROUNDS))
        assert set(counted) <= {"200", "503"}
        assert counted["200"] > 0
        assert sum(counted.values()) == CALLERS * ROUNDS
        assert service.is_serving()
        service.wait_until_shipped()
        assert answered.items() <= dict(stored(sqlite)).items()
    print(f"\n{CALLERS} concurrent callers, {BATCH} rows each: {dict(counted)}")


@pytest.mark.skipif(sys.platform != "linux", reason="file handles")
def test_silent_connections_do_not_block_other_callers(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    raise_handles()
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=2, pause=0.005) as load,
    ):
        silent = [connected(service) for _ in range(MAX_CONNECTIONS + 100)]
        before = len(load.answered)
        assert [service.send("/v1/predict", body_of())[0] for _ in range(20)] == [200] * 20
        eventually(lambda: len(load.answered) > before + 100)
        load.stop()
        eventually(lambda: service.metric('ml_requests_shed_total{reason="connections"}') >= 100)
        for made in silent:
            made.close()
    assert set(load.statuses) == {200}
    assert not load.errors


def test_idle_connection_outlives_the_timeout_of_load_balancers(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    # Google's load balancers keep a connection for 600 s, those of nginx and AWS for 60 s.
    assert Settings.model_fields["keep_alive_seconds"].default > 600
    with running(tmp_path, models, sqlite) as service:
        made = connected(service, request(body_of()))
        assert answer_of(made).startswith(b"HTTP/1.1 200")
        time.sleep(SLOW_SECONDS + 2)
        made.sendall(request(body_of()))
        assert answer_of(made).startswith(b"HTTP/1.1 200")
        made.close()


def raise_handles() -> None:
    """Raise the limit of open files above the number of connections that the service accepts."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the limit of open files is {hard}; works: at least {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
