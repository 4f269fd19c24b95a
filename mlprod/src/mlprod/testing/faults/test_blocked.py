"""An unread log, and a flood of the admin port.

Neither blocks predictions, keys, the kill switch or the shutdown.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from ...serving.api_keys import add_key
from ...serving.connection_limits import MAX_ADMIN_CONNECTIONS
from ..waiting import eventually
from .bodies import body_of
from .callers import HttpCaller
from .service import HOST, ServiceProcess, running

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="named pipes, SIGTERM"),
]
# The log lines of these requests exceed the buffer of a pipe several times.
REQUESTS = 2_000


def test_unread_log_does_not_block_the_service(models: Path, tmp_path: Path, sqlite: str) -> None:
    keys = tmp_path / "keys.json"
    ours, theirs = (
        add_key(keys, "ours", ["predict", "operate"]),
        add_key(keys, "theirs", ["predict"]),
    )
    service = ServiceProcess(tmp_path, models, sqlite, ML_KEYS_FILE=keys)
    os.mkfifo(service.log)
    unread = os.open(service.log, os.O_RDWR)
    try:
        service.start()
        for _ in range(REQUESTS // 100):
            assert [service.send("/v1/predict", body_of(), ours)[0] for _ in range(100)] == [
                200
            ] * 100
        message = json.loads(keys.read_text())
        keys.write_text(
            json.dumps(
                message | {"keys": [key for key in message["keys"] if key["name"] == "ours"]}
            )
        )
        eventually(lambda: service.send("/v1/predict", body_of(), theirs)[0] == 401)
        stop = json.dumps({"mode": "shadow", "reason": "the log is unread"}).encode()
        assert service.send("/v1/mode", stop, ours)[0] == 200
        answered = service.send("/v1/predict", body_of(), ours)[2]
        assert (answered["mode"], answered["predictions"][0]["decision"]) == ("shadow", None)
        service.terminate()
        assert service.exit_status() in (0, -signal.SIGTERM)
    finally:
        service.kill()
        os.close(unread)


def test_flood_of_the_admin_port_does_not_affect_probes_or_callers(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with running(tmp_path, models, sqlite) as service:
        idle = [
            socket.create_connection((HOST, service.ops_port), timeout=20)
            for _ in range(MAX_ADMIN_CONNECTIONS)
        ]
        caller = HttpCaller(service)
        try:
            for route in ("healthz", "readyz", "metrics") * 5:
                idle += [
                    socket.create_connection((HOST, service.ops_port), timeout=20) for _ in range(4)
                ]
                assert service.operations(route)[0] == 200
            assert caller.post("/v1/predict", body_of())[0] == 200
            assert all(made.recv(1) == b"" for made in idle[:-MAX_ADMIN_CONNECTIONS])
        finally:
            caller.close()
            for made in idle:
                made.close()


def test_unread_metrics_responses_do_not_block_probes_or_callers(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    many = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50
    with running(tmp_path, models, sqlite) as service:
        requested = [
            socket.create_connection((HOST, service.ops_port), timeout=20) for _ in range(120)
        ]
        try:
            for made in requested:
                with contextlib.suppress(OSError):
                    made.sendall(many)
            for _ in range(10):
                assert service.operations("healthz")[0] == 200
                assert service.is_serving()
        finally:
            for made in requested:
                made.close()
