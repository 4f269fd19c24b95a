"""The service as a process of its own, which may be killed and started again."""

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
ENDS_WITHIN = 20.0  # seconds from SIGTERM, drain included


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class ServiceProcess:
    """`serve --no-follow` in a folder of its own.

    It may be killed and started again on the same folder.
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
            "ML_ALLOW_PICKLE": "true",  # the model is one that the tests have just trained
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.environment = {
            **os.environ,
            **{name: str(value) for name, value in (message | environment).items()},
        }
        self.spool = Path(self.environment["ML_EVENT_LOG_DIR"])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, probe: str = "readyz") -> "ServiceProcess":
        """Returns once it is ready, or so far as another probe says."""
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
        assert self.process.poll() is None, f"the service ended: {self.said()}"
        return True

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def tell_to_end(self, by: int = signal.SIGTERM) -> None:
        assert self.process
        self.process.send_signal(by)

    def ended(self) -> int:
        """The status with which it ends."""
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
        """A metric, as it stands on the second port; 0 when nothing has counted yet."""
        lines = [
            line
            for line in self.operations("metrics")[1].splitlines()
            if line.startswith(f"{name} ")
        ]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def ask(
        self, route: str, body: bytes | None = None, key: str = ""
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers in small letters and the answer, over a connection of its own."""
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

    def answers(self) -> bool:
        """Whether a good body is answered; a moment in which it is too busy does not count."""
        until = time.monotonic() + 30
        while (message := self.ask("/v1/predict", body_of()))[
            0
        ] == 503 and time.monotonic() < until:
            time.sleep(0.1)
        return message[0] == 200

    def shipped(self) -> None:
        """Returns once nothing waits for the database: shipping comes after answering, and may
        last.
        """
        until = time.monotonic() + 120
        while (
            self.alive()
            and (left := self.metric("ml_record_backlog_events"))
            and time.monotonic() < until
        ):
            time.sleep(0.2)
        assert not left, f"{left:g} answers still wait for the database: {self.said()}"

    def events(self) -> list[dict[str, Any]]:
        """What it has logged, as far as that is complete."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:]


@contextlib.contextmanager
def running(
    folder: Path, models: Path, url: str, **environment: object
) -> Iterator[ServiceProcess]:
    """A service that is gone afterwards, however the test ends."""
    service = ServiceProcess(folder, models, url, **environment)
    try:
        yield service.start()
    finally:
        if service.process and service.process.poll() is None:
            service.kill()
