"""Slow callers and endless requests: the service disconnects them at a small cost in memory."""

import contextlib
import select
import socket
import sys
import time
from pathlib import Path

import pytest

from ..waiting import eventually
from .bodies import full_body
from .callers import CallerLoad
from .service import HOST, ServiceProcess, running
from .sockets import connected, head, is_open, request, sent

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]
# Seconds. The timeout is 10 s, and the service checks it once a second.
CUT_WITHIN = 15.0
# Bytes that a flood of small requests may cost.
MEMORY = 100_000_000
SLOW = 'ml_requests_shed_total{reason="slow"}'


def test_slow_sender_is_disconnected_while_others_are_served(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=2, pause=0.005) as load,
    ):
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
                    sent(made, byte)
            ready, _, _ = select.select(list(open_still.values()), [], [], 0.2)
            for made in ready:
                if not is_open(made):
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


def test_caller_that_does_not_read_is_disconnected_while_others_are_served(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    content = request(full_body()) * 4
    with (
        running(tmp_path, models, sqlite) as service,
        CallerLoad(service, callers=2, pause=0.005) as load,
    ):
        unread = connected(service, receive_buffer=4_096)
        unread.setblocking(False)
        view, began = memoryview(content), time.monotonic()
        while service.metric(SLOW) < 1 and time.monotonic() < began + 2 * CUT_WITHIN:
            view = view[sent(unread, view) :] or memoryview(content)
            time.sleep(0.05)
        took = time.monotonic() - began
        unread.close()
        # The buffers of the kernel fill first.
        assert took < CUT_WITHIN + 5
        load.stop()
        service.alive()
    assert set(load.statuses) <= {200, 503}
    assert not load.errors


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
def test_flood_of_small_requests_on_one_connection_uses_little_memory(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    content = request(b"{}") * 2_000
    with running(tmp_path, models, sqlite) as service:
        before, made, until = memory(service), connected(service), time.monotonic() + 4
        made.setblocking(False)
        view = memoryview(content)
        while time.monotonic() < until:
            select.select([made], [made], [], 0.1)
            if not is_open(made, 1_000_000):
                break
            view = view[sent(made, view) :] or memoryview(content)
        after = memory(service)
        made.close()
        assert after - before < MEMORY, f"{(after - before) / 1e6:.0f} MB for one connection"
        eventually(service.is_serving)
    print(f"\na flood on one connection used {(after - before) / 1e6:.0f} MB")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
@pytest.mark.parametrize(
    "line", [b"x: " + b"y" * 100_000 + b"\r\n", b"x: y\r\n" * 10_000, b"z" * 100_000]
)
@pytest.mark.parametrize("second_port", [False, True])
def test_endless_header_uses_no_memory(
    models: Path, tmp_path: Path, sqlite: str, line: bytes, second_port: bool
) -> None:
    with running(tmp_path, models, sqlite) as service:
        assert service.is_serving()
        before = memory(service)
        for _ in range(5):
            made = socket.create_connection(
                (HOST, service.ops_port if second_port else service.port), timeout=10
            )
            with made, contextlib.suppress(ConnectionError):
                made.sendall(b"POST /v1/predict HTTP/1.1\r\n")
                for _ in range(1_000):
                    made.sendall(line)
        after = memory(service)
        assert after - before < 30_000_000, f"{(after - before) / 1e6:.0f} MB for five connections"
        assert service.is_serving()


def memory(service: ServiceProcess) -> int:
    """Return the resident memory of the process in bytes."""
    lines = Path(f"/proc/{service.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1_024
