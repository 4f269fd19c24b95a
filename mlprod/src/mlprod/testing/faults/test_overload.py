"""More than can be answered, callers who dawdle, and what is no request: the service refuses, and goes on answering."""

import asyncio
import contextlib
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ...serving.connection_limits import MAX_CONNECTIONS, SLOW_SECONDS
from ...settings import Settings
from ..waiting import eventually
from .harm import HOST, LIMIT, Load, Service, body_of, connected, full_body, running, statuses_of, stored

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="kill -9")]
CALLERS, BATCH, ROUNDS = 300, 300, 4
CUT_WITHIN = 15.0  # seconds: ten are allowed, and who is slow is looked for once a second
MEMORY = 100_000_000  # bytes that a flood of small requests may cost
DEFECTS = 'ml_requests_total{route="/v1/predict",status="500"}'
SLOW = 'ml_requests_shed_total{reason="slow"}'


def head(length: object, *lines: str, route: str = "/v1/predict") -> bytes:
    said = [f"POST {route} HTTP/1.1", "host: localhost", "content-type: application/json"]
    return "\r\n".join([*said, *([f"content-length: {length}"] if length is not None else []), *lines, "", ""]).encode()


def request(body: bytes, *lines: str, route: str = "/v1/predict") -> bytes:
    return head(len(body), *lines, route=route) + body


async def _hurry(service: Service, rounds: int) -> tuple[Counter[str], dict[str, float]]:
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
            told = json.loads(await reader.readexactly(int(headers["content-length"])))
            status = lines[0].split()[1]
            counted[status if status != "503" or "retry-after" in headers else "503 unannounced"] += 1
            if status == "200":
                answered.update({each["id"]: each["score"] for each in told["predictions"]})
        writer.close()

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(CALLERS))), 120)
    return counted, answered


def test_everyone_is_answered_or_told_when_to_come_again(models: Path, tmp_path: Path, sqlite: str) -> None:
    with running(tmp_path, models, sqlite) as service:
        counted, answered = asyncio.run(_hurry(service, ROUNDS))
        assert set(counted) <= {"200", "503"}
        assert counted["200"] > 0
        assert sum(counted.values()) == CALLERS * ROUNDS
        assert service.answers()
        service.shipped()
        assert answered.items() <= dict(stored(sqlite)).items()
    print(f"\n{CALLERS} callers at once, {BATCH} rows each: {dict(counted)}")


def test_who_sends_slowly_is_cut_off_while_others_are_answered(models: Path, tmp_path: Path, sqlite: str) -> None:
    with running(tmp_path, models, sqlite) as service, Load(service, callers=2, pause=0.005) as load:
        began = time.monotonic()
        silent = [connected(service) for _ in range(20)]
        halves = [connected(service, head(50_000) + b'{"rows":') for _ in range(20)]
        dripping = [connected(service) for _ in range(20)]
        rest = iter(head(10, *(f"x-{number}: y" for number in range(1_000))))
        open_still = {made.fileno(): made for made in (*silent, *halves, *dripping)}
        while open_still and time.monotonic() < began + 2 * CUT_WITHIN:
            byte = bytes([next(rest)])
            for made in dripping:
                if made.fileno() in open_still:
                    _sent(made, byte)
            ready, _, _ = select.select(list(open_still.values()), [], [], 0.2)
            for made in ready:
                if not _read(made):
                    del open_still[made.fileno()]
                    made.close()
        took = time.monotonic() - began
        assert not open_still
        assert took < CUT_WITHIN
        assert service.metric(SLOW) >= len(dripping)
        load.stop()
    assert set(load.statuses) == {200}
    assert not load.broken
    assert max(seconds for _, seconds in load.times) < 2


def test_who_does_not_read_is_cut_off_while_others_are_answered(models: Path, tmp_path: Path, sqlite: str) -> None:
    content = request(full_body()) * 4
    with running(tmp_path, models, sqlite) as service, Load(service, callers=2, pause=0.005) as load:
        deaf = connected(service, receive_buffer=4_096)
        deaf.setblocking(False)
        view, began = memoryview(content), time.monotonic()
        cut: Callable[[], bool] = lambda: service.metric(SLOW) >= 1  # noqa: E731
        while not cut() and time.monotonic() < began + 2 * CUT_WITHIN:
            view = view[_sent(deaf, view) :] or memoryview(content)
            time.sleep(0.05)
        took = time.monotonic() - began
        deaf.close()
        assert took < CUT_WITHIN + 5  # what the kernel takes by itself is filled first
        load.stop()
        service.alive()
    assert set(load.statuses) <= {200, 503}
    assert not load.wrong


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_flood_of_small_requests_on_one_connection_costs_little_memory(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    content = request(b"{}") * 2_000
    with running(tmp_path, models, sqlite) as service:
        before, made, until = memory(service), connected(service), time.monotonic() + 4
        made.setblocking(False)
        view = memoryview(content)
        while time.monotonic() < until:
            select.select([made], [made], [], 0.1)
            if not _read(made, 1_000_000):
                break
            view = view[_sent(made, view) :] or memoryview(content)
        after = memory(service)
        made.close()
        assert after - before < MEMORY, f"{(after - before) / 1e6:.0f} MB for one connection"
        eventually(service.answers)
    print(f"\na flood on one connection cost {(after - before) / 1e6:.0f} MB")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("line", [b"x: " + b"y" * 100_000 + b"\r\n", b"x: y\r\n" * 10_000, b"z" * 100_000])
@pytest.mark.parametrize("second_port", [False, True])
def test_a_head_without_end_costs_no_memory(
    models: Path, tmp_path: Path, sqlite: str, line: bytes, second_port: bool
) -> None:
    with running(tmp_path, models, sqlite) as service:
        assert service.answers()
        before = memory(service)
        for _ in range(5):
            made = socket.create_connection((HOST, service.ops_port if second_port else service.port), timeout=10)
            with made, contextlib.suppress(ConnectionError):
                made.sendall(b"POST /v1/predict HTTP/1.1\r\n")
                for _ in range(1_000):
                    made.sendall(line)
        after = memory(service)
        assert after - before < 30_000_000, f"{(after - before) / 1e6:.0f} MB for five connections"
        assert service.answers()


@pytest.mark.skipif(sys.platform != "linux", reason="file handles")
def test_connections_that_say_nothing_shut_no_caller_out(models: Path, tmp_path: Path, sqlite: str) -> None:
    raise_handles()
    with running(tmp_path, models, sqlite) as service, Load(service, callers=2, pause=0.005) as load:
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
    assert Settings.model_fields["keep_alive_seconds"].default > 600  # Google's; those of nginx and AWS keep it for 60
    with running(tmp_path, models, sqlite) as service:
        made = connected(service, request(body_of()))
        assert _answer(made).startswith(b"HTTP/1.1 200")
        time.sleep(SLOW_SECONDS + 2)
        made.sendall(request(body_of()))
        assert _answer(made).startswith(b"HTTP/1.1 200")
        made.close()


HOSTILE: dict[str, bytes] = {
    "10 MB": request(b'{"rows":[' + b" " * 10_000_000 + b"]}"),
    "10 MB unannounced": head(None, "transfer-encoding: chunked") + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 160,
    "100,000 rows": request(b'{"rows":[' + b",".join([b"{}"] * 100_000) + b"]}"),
    "as many unknown fields as fit": request(
        b'{"rows":[{' + b",".join(b'"%d":0' % number for number in range(LIMIT // 11)) + b"}]}"
    ),
    "deep lists": request(b'{"rows":' + b"[" * (LIMIT // 3) + b"]" * (LIMIT // 3) + b"}"),
    "deep objects": request(b'{"rows":' + b'{"a":' * (LIMIT // 7) + b"1" + b"}" * (LIMIT // 7) + b"}"),
    "no UTF-8": request(b'{"rows":[{"id":"\xff\xfe\xc3\x28"}]}'),
    "half a character": request(b'{"rows":[{"id":"\\ud800"}]}'),
    "a long number": request(b'{"rows":[{"id":' + b"9" * (LIMIT // 2) + b"}]}"),
    "no body": head(0),
    "a length that is none": head("many"),
    "a negative length": head(-1),
    "a huge length": head("9" * 30),
    "two lengths": head(2, "content-length: 3") + b"{}",
    "length and chunks": head(2, "transfer-encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "a chunk of no size": head(None, "transfer-encoding: chunked") + b"zz\r\n{}\r\n",
    "a huge chunk": head(None, "transfer-encoding: chunked") + b"ffffffffffffffff\r\n{}\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nx: " + b"y" * 2_000_000,
    "100,000 headers": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    "a long path": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a path of other bytes": b"GET /\xff\xfe\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "an escaped path": b"GET /%ff%00%0d%0a..%2f..%2f HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    "a path with a host": b"GET http://[::1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "an unknown verb": b"BREW /v1/predict HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT here:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "zeroes": bytes(100_000),
    "lines": b"\r\n" * 50_000,
}


@pytest.fixture(scope="module")
def sturdy(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("sturdy")
    with running(folder, models, f"sqlite:///{folder / 'records.db'}") as service:
        yield service


def test_what_is_no_good_request_is_refused_or_cut_off(sturdy: Service) -> None:
    with ThreadPoolExecutor(len(HOSTILE)) as pool:
        answers = pool.map(lambda content: statuses_of(connected(sturdy, content)), HOSTILE.values())
        given = dict(zip(HOSTILE, answers, strict=True))
    refused = {name: [status for status in said if status != 503] for name, said in given.items()}
    assert not {name: said for name, said in refused.items() if not all(400 <= status < 500 for status in said)}
    assert sturdy.metric(DEFECTS) == 0
    assert sturdy.answers()
    print(f"\n{len(HOSTILE)} bad requests: {Counter(status for said in given.values() for status in said or [0])}")


@pytest.mark.parametrize(
    "name", ["10 MB", "100,000 rows", "as many unknown fields as fit", "deep lists", "a long number"]
)
def test_one_bad_body_keeps_others_waiting_for_a_moment_at_most(sturdy: Service, name: str) -> None:
    with Load(sturdy, callers=1, pause=0.005) as load:
        eventually(lambda: len(load.times) > 20)
        made = connected(sturdy, HOSTILE[name].replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        assert [status for status in statuses_of(made) if not 400 <= status < 500] == []
    assert not load.wrong
    assert len(load.reasons) <= 3, load.reasons
    longest = max(seconds for _, seconds in load.times)
    print(f"\n{name}: others waited {longest * 1_000:.0f} ms at most, {len(load.reasons)} refused")
    assert longest < 1


def test_requests_in_a_row_are_answered_in_order(sturdy: Service) -> None:
    good, bad, no = request(body_of(3)), request(b"{"), b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n"
    assert statuses_of(connected(sturdy, (good + bad + no) * 20)) == [200, 400, 404] * 20


def test_a_connection_that_ends_within_a_body_costs_nothing(sturdy: Service) -> None:
    for length in (1, 100, 100_000):
        for _ in range(50):
            connected(sturdy, head(length) + b'{"rows"'[: length - 1]).close()
    assert sturdy.answers()


def raise_handles() -> None:
    """Let this process open as many connections as the service takes, and more."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("too few file handles")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _answer(made: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"}"):
        part = made.recv(65_536)
        assert part, content
        content += part
    return content


def memory(service: Service) -> int:
    """Bytes of memory that the process holds."""
    lines = Path(f"/proc/{service.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1_024


def _sent(made: socket.socket, content: bytes | memoryview) -> int:
    try:
        return made.send(content)
    except OSError:
        return 0


def _read(made: socket.socket, most: int = 65_536) -> bool:
    """False once the connection is closed."""
    try:
        return bool(made.recv(most))
    except BlockingIOError:
        return True
    except OSError:
        return False
