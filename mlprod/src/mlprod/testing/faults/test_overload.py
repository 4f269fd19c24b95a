"""More than can be answered: the service refuses, and goes on answering."""

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
    pytest.mark.skipif(sys.platform == "win32", reason="stops and kills services by POSIX signals"),
]
CALLERS, BATCH, ROUNDS = 300, 300, 4


async def _hurry(service: ServiceProcess, rounds: int) -> tuple[Counter[str], dict[str, float]]:
    """Everyone asks for a batch at the same time, again and again."""
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


def test_everyone_is_answered_or_told_when_to_come_again(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with running(tmp_path, models, sqlite) as service:
        counted, answered = asyncio.run(_hurry(service, ROUNDS))
        assert set(counted) <= {"200", "503"}
        assert counted["200"] > 0
        assert sum(counted.values()) == CALLERS * ROUNDS
        assert service.answers()
        service.shipped()
        assert answered.items() <= dict(stored(sqlite)).items()
    print(f"\n{CALLERS} callers at once, {BATCH} rows each: {dict(counted)}")


@pytest.mark.skipif(sys.platform != "linux", reason="file handles")
def test_connections_that_say_nothing_shut_no_caller_out(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    raise_handles()
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=2, pause=0.005) as load,
    ):
        silent = [connected(service) for _ in range(MAX_CONNECTIONS + 100)]
        before = len(load.answered)
        assert [service.ask("/v1/predict", body_of())[0] for _ in range(20)] == [200] * 20
        eventually(lambda: len(load.answered) > before + 100)
        load.stop()
        eventually(lambda: service.metric('ml_requests_shed_total{reason="connections"}') >= 100)
        for made in silent:
            made.close()
    assert set(load.statuses) == {200}
    assert not load.wrong


def test_an_idle_connection_is_kept_longer_than_load_balancers_keep_it(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    assert (
        Settings.model_fields["keep_alive_seconds"].default > 600
    )  # Google's; those of nginx and AWS keep it for 60
    with running(tmp_path, models, sqlite) as service:
        made = connected(service, request(body_of()))
        assert answer_of(made).startswith(b"HTTP/1.1 200")
        time.sleep(SLOW_SECONDS + 2)
        made.sendall(request(body_of()))
        assert answer_of(made).startswith(b"HTTP/1.1 200")
        made.close()


def raise_handles() -> None:
    """Let this process open as many connections as the service takes, and more."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("too few file handles")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
