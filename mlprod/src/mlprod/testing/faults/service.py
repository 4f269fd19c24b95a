"""The service as a separate process, which a test may kill and restart."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from ..waiting import eventually
from .bodies import PACKAGE, body_of

HOST = "127.0.0.1"
# Seconds from SIGTERM, drain included.
ENDS_WITHIN = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class ServiceProcess:
    """A process that runs `serve --no-follow` in its own folder.

    A test may kill it and restart it on the same folder.
    """

    def __init__(self, folder: Path, models: Path, url: str, **environment: object) -> None:
        self.url, self.port, self.ops_port = url, free_port(), free_port()
        self.spool, self.log = folder / "spool", folder / "log"
        message = {
            "ML_STATE_DIR": folder,
            "ML_MODEL_DIR": models,
            "ML_EVENT_LOG_DIR": self.spool,
            "ML_DATABASE_URL": url,
            "ML_PORT": self.port,
            "ML_ADMIN_PORT": self.ops_port,
            # The tests have just trained this model.
            "ML_ALLOW_PICKLE": "true",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.environment = {
            **os.environ,
            **{name: str(value) for name, value in (message | environment).items()},
        }
        self.spool = Path(self.environment["ML_EVENT_LOG_DIR"])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, probe: str = "readyz") -> "ServiceProcess":
        """Start the process and wait until a probe succeeds; the default is readiness."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", PACKAGE, "serve", "--no-follow"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.alive() and self.operations(probe)[0] == 200)
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def alive(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"the service ended: {self.log_tail()}"
        return True

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def terminate(self, by: int = signal.SIGTERM) -> None:
        assert self.process
        self.process.send_signal(by)

    def exit_status(self) -> int:
        """Wait for the end of the process and return its exit status."""
        assert self.process
        return self.process.wait(ENDS_WITHIN)

    def operations(self, route: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.ops_port}/{route}", timeout=5
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """Return the value of a metric on the admin port; 0 if the metric is missing."""
        lines = [
            line
            for line in self.operations("metrics")[1].splitlines()
            if line.startswith(f"{name} ")
        ]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def send(
        self, route: str, body: bytes | None = None, key: str = ""
    ) -> tuple[int, dict[str, str], Any]:
        """Send one request on a new connection; return status, lowercase headers and body."""
        connection = HTTPConnection(HOST, self.port, timeout=30)
        try:
            given = {"authorization": f"Bearer {key}"} if key else {}
            connection.request("GET" if body is None else "POST", route, body, given)
            response = connection.getresponse()
            received = response.read()
        finally:
            connection.close()
        return (
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            json.loads(received),
        )

    def is_serving(self) -> bool:
        """Return whether a valid request gets 200; retries a 503 for 30 seconds."""
        until = time.monotonic() + 30
        while (message := self.send("/v1/predict", body_of()))[
            0
        ] == 503 and time.monotonic() < until:
            time.sleep(0.1)
        return message[0] == 200

    def wait_until_shipped(self) -> None:
        """Wait until the record backlog is empty; the service ships records after its response."""
        until = time.monotonic() + 120
        while (
            self.alive()
            and (left := self.metric("ml_record_backlog_events"))
            and time.monotonic() < until
        ):
            time.sleep(0.2)
        assert not left, f"{left:g} predictions are not in the database yet: {self.log_tail()}"

    def events(self) -> list[dict[str, Any]]:
        """Return every complete line of the log."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:]


@contextlib.contextmanager
def running(
    folder: Path, models: Path, url: str, **environment: object
) -> Iterator[ServiceProcess]:
    """Start a service and end it with the block, also after a failed test."""
    service = ServiceProcess(folder, models, url, **environment)
    try:
        yield service.start()
    finally:
        if service.process and service.process.poll() is None:
            service.kill()
