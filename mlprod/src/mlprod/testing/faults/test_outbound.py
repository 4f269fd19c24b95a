"""Outbound connections that packages open on their own.

A listener on loopback plays the role of a company's proxy.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import eventually
from .bodies import PACKAGE, body_of
from .service import running

# Seconds. ONNX Runtime 1.32 uploads 9 s after its first session.
UPLOADS_AFTER = 15
pytestmark = pytest.mark.faults
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# Content of sitecustomize.py: records connections of Python that bypass the proxy.
RECORDER = """
import os, sys
def audit(event, arguments):
    here = (None, "127.0.0.1", "::1", "localhost", "0.0.0.0")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        if arguments[1][0] not in ("127.0.0.1", "::1"):
            with open(os.environ["OUTBOUND"], "a") as file: file.write(f"{arguments[1]}\\n")
    if event == "socket.getaddrinfo" and arguments[0] not in here:
        with open(os.environ["OUTBOUND"], "a") as file: file.write(f"look-up of {arguments[0]}\\n")
sys.addaudithook(audit)
"""


class Outside:
    """Records outbound traffic; `requests` has the first line of each, via the proxy or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.recorded = folder, folder / "home", folder / "outbound"
        self.home.mkdir()
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(RECORDER)
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        path = os.pathsep.join([str(self.folder / "site"), *sys.path])
        own = {
            "HOME": str(self.home),
            "OUTBOUND": str(self.recorded),
            "PYTHONPATH": path,
            "NO_PROXY": "",
            "no_proxy": "",
        }
        # Drop what pytest's process has set, so that the command itself must disable telemetry.
        inherited = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
        return inherited | dict.fromkeys(PROXIES, proxy) | own

    @property
    def requests(self) -> list[str]:
        return self.recorded.read_text().splitlines() if self.recorded.exists() else []

    @property
    def telemetry_files(self) -> list[str]:
        return [
            path.name
            for path in self.home.rglob("*")
            if path.name in ("deviceid", "onnxruntime.db")
        ]

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            with line:
                line.settimeout(2)
                try:
                    first = line.recv(300).split(b"\r\n")[0].decode(errors="replace")
                except OSError:
                    first = "a connection"
            with self.recorded.open("a") as file:
                file.write(first + "\n")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    result = Outside(tmp_path)
    yield result
    result.server.close()


def test_listener_records_traffic_via_the_proxy_and_around_it(outside: Outside) -> None:
    code = (
        "import socket, urllib.request as u\n"
        "for call in (lambda: u.urlopen('http://example.invalid', timeout=2),"
        " lambda: socket.create_connection(('192.0.2.1', 9), 0.1)):\n"
        "    try: call()\n"
        "    except OSError: pass\n"
    )
    subprocess.run([sys.executable, "-c", code], env=outside.environment, check=True, timeout=60)
    eventually(
        lambda: any(line.startswith("GET http://example.invalid") for line in outside.requests)
    )
    assert any("192.0.2.1" in line for line in outside.requests)


def run(outside: Outside, state: Path, *command: str) -> None:
    environment = outside.environment | {"ML_STATE_DIR": str(state)}
    done = subprocess.run(
        [sys.executable, "-m", PACKAGE, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr


def test_training_scoring_and_serving_open_no_outbound_connection(
    outside: Outside, tmp_path: Path, sqlite: str
) -> None:
    state = tmp_path / "state"
    run(outside, state, "train", "--baseline")
    run(outside, state, "promote", "--reason", "a test", "--actor", "a test")
    # The result of the gates does not matter: training has exported a model and run it.
    run(outside, state, "train")
    run(outside, state, "score", "--dry-run", "--output", str(tmp_path / "scores.parquet"))
    run(outside, state, "fetch-model")
    with running(tmp_path, state / "models", sqlite, **outside.environment) as service:
        assert service.send("/v1/predict", body_of())[0] == 200
        time.sleep(UPLOADS_AFTER)
    assert outside.requests == []
    assert outside.telemetry_files == []
