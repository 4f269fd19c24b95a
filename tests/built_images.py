"""The images of a baked project with a champion.

Built once for each module, run as in a cluster, and put under load.
"""

import json
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from conftest import baking
from containers import Engine
from test_baked_life import Project, free_port, get, readme_request

# A user id without an account.
UID = 54321
DRAIN_SECONDS = 3


class Built:
    """A project with a champion, its images, and the marker of the build secret of pip."""

    def __init__(self, project: Project, engine: Engine, base: str, marker: str) -> None:
        self.project, self.engine, self.base, self.marker = project, engine, base, marker
        self.name = "localhost/scoring"
        self.models, self.keys = (
            project.path / "given" / "models",
            project.path / "given" / "keys.json",
        )
        self.key = ""

    def size(self, image: str) -> int:
        """Return the size of an image in megabytes."""
        return (
            int(self.engine("podman", "image", "inspect", "--format", "{{.Size}}", image))
            // 1_000_000
        )

    def process(self, container: str) -> int:
        return int(self.engine("podman", "inspect", "--format", "{{.State.Pid}}", container))

    @contextmanager
    def serving(self, state: Path, *options: object) -> Iterator[tuple[str, str, str]]:
        """Run the image as a cluster does; yields container, address and admin address."""
        port, second = free_port(), free_port()
        user, where = f"--user={UID}:0", f"--volume={state}:/var/lib/ml"
        if not state.exists():
            state.mkdir()
            state.chmod(0o777)
            self.engine(
                "podman",
                "run",
                "--rm",
                "--pull=never",
                "--read-only",
                user,
                where,
                f"{self.name}:pipeline",
                "migrate",
            )
        container = self.engine.start(
            f"{self.name}:serve",
            *(
                "--read-only",
                "--read-only-tmpfs=false",
                "--cap-drop=ALL",
                "--security-opt=no-new-privileges",
            ),
            *(user, where, "--memory=256m", f"--env=ML_DRAIN_SECONDS={DRAIN_SECONDS}"),
            # These tests do not check load shedding on a busy machine.
            "--env=ML_MAX_QUEUE_SECONDS=5",
            *(f"--publish=127.0.0.1:{port}:8000", f"--publish=127.0.0.1:{second}:8001"),
            f"--volume={self.models}:/models:ro",
            *(
                f"--volume={self.keys.parent}:/run/keys:ro",
                "--env=ML_KEYS_FILE=/run/keys/keys.json",
            ),
            *options,
        )
        try:
            yield container, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{second}"
        except BaseException:
            print(self.engine("podman", "logs", "--tail=9", container, check=False))
            raise
        finally:
            self.engine("podman", "rm", "--force", "--time=0", container, check=False)

    def predict(self, address: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """Send the request of the README; return status and body."""
        body = json.dumps({"rows": [readme_request(self.project)]}).encode()
        headers = {
            "authorization": f"Bearer {self.key if key is None else key}",
            "content-type": "application/json",
        }
        try:
            request = urllib.request.Request(f"{address}/v1/predict", body, headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=5) as message:  # noqa: S310
                return message.status, json.load(message)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def built(
    engine: Engine, base: str, cookies_session: Any, environment: Path, tmp_path_factory: Any
) -> Built:
    project = Project(baking(cookies_session)(), environment)
    marker = secrets.token_hex(20)
    built = Built(project, engine, base, marker)
    settings = tmp_path_factory.mktemp("build-secret") / "pip.conf"
    settings.write_text(f"[global]\ntimeout = 180\n# {marker}\n")
    project.environment |= engine.environment | {"PIP_CONFIG_FILE": str(settings)}
    project.environment.setdefault("PIP_CERT", os.environ.get("SSL_CERT_FILE", ""))
    began = time.monotonic()
    done = project.make("image", f"IMAGE={built.name}", f"BASE={base}", timeout=1_200)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    print(f"both images: {time.monotonic() - began:.0f} s on a base of {built.size(base)} MB")
    for image in ("serve", "pipeline"):
        added = built.size(f"{built.name}:{image}") - built.size(base)
        print(f"{image}: {added} MB more than the base")
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    built.models.parent.mkdir()
    given = {"ML_MODEL_DIR": str(built.models), "ML_KEYS_FILE": str(built.keys)}
    assert not project.run("fetch-model", **given).returncode
    roles = ("predict", "outcomes", "feedback", "operate")
    made = project.run(
        "create-key", "--name", "test", *(f"--role={role}" for role in roles), **given
    )
    built.key = made.stdout.strip()
    built.keys.chmod(0o644)
    return built


class Load:
    """Four callers with persistent connections."""

    def __init__(self, built: Built, address: str) -> None:
        self.host, self.row = address.removeprefix("http://"), readme_request(built.project)
        self.headers = {"authorization": f"Bearer {built.key}", "content-type": "application/json"}
        self.answered: list[float] = []
        self.failed: list[str] = []
        self.over = threading.Event()
        self.callers = [threading.Thread(target=self.call) for _ in range(4)]

    def __enter__(self) -> "Load":
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for caller in self.callers:
            caller.join()

    def call(self) -> None:
        connection, body = HTTPConnection(self.host, timeout=5), json.dumps({"rows": [self.row]})
        while not self.over.is_set():
            try:
                connection.request("POST", "/v1/predict", body, self.headers)
                answer = connection.getresponse()
                received = answer.read()
                if answer.status != 200:
                    self.failed.append(f"{answer.status}: {received[:200]!r}")
                self.answered.append(time.monotonic())
            except (OSError, HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            time.sleep(0.002)
        connection.close()


def is_unavailable(address: str) -> bool:
    try:
        get(address)
    except urllib.error.HTTPError as error:
        return error.code == 503
    return False
