"""A log that nobody reads, and a second port that is flooded: neither stops answers, keys, the stop
or the end.
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
from .callers import Caller
from .service import HOST, ServiceProcess, running

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="named pipes, SIGTERM"),
]
REQUESTS = 2_000  # whose log lines are several times what a pipe holds


def test_a_log_that_nobody_reads_stops_nothing(models: Path, tmp_path: Path, sqlite: str) -> None:
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
            assert [service.ask("/v1/predict", body_of(), ours)[0] for _ in range(100)] == [
                200
            ] * 100
        message = json.loads(keys.read_text())
        keys.write_text(
            json.dumps(
                message | {"keys": [key for key in message["keys"] if key["name"] == "ours"]}
            )
        )
        eventually(lambda: service.ask("/v1/predict", body_of(), theirs)[0] == 401)
        stop = json.dumps({"mode": "shadow", "reason": "nobody reads"}).encode()
        assert service.ask("/v1/mode", stop, ours)[0] == 200
        answered = service.ask("/v1/predict", body_of(), ours)[2]
        assert (answered["mode"], answered["predictions"][0]["decision"]) == ("shadow", None)
        service.tell_to_end()
        assert service.ended() in (0, -signal.SIGTERM)
    finally:
        service.kill()
        os.close(unread)


def test_a_flood_of_the_second_port_costs_neither_probes_nor_callers_anything(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    with running(tmp_path, models, sqlite) as service:
        idle = [
            socket.create_connection((HOST, service.ops_port), timeout=20)
            for _ in range(MAX_ADMIN_CONNECTIONS)
        ]
        caller = Caller(service)
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


def test_metrics_that_nobody_reads_stop_neither_probes_nor_callers(
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
                assert service.answers()
        finally:
            for made in requested:
                made.close()
