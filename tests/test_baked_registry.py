"""Retraining, and the registry as an organization runs it. Slow.

MLflow has its data in PostgreSQL, and the bundles in an S3 store.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from test_baked_life import (
    Project,
    environment,
    free_port,
    get,
    post,
    post_json,
    project,
    readme_request,
    wait_for_version,
)

__all__ = ["environment", "project"]  # fixtures
pytestmark = pytest.mark.slow
POSTGRES = max(
    Path("/usr/lib/postgresql").glob("*/bin"),
    key=lambda path: float(path.parent.name),
    default=Path(),
)
# The first day of the simulated drift.
SHIFT = 100


@contextmanager
def started(command: list[object], log: Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server; kills it with all its children at the end of the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=out, start_new_session=True, **more
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_until_up(address: str, log: Path, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(address, timeout=2):  # noqa: S310
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} is not up after {seconds:g} s: {log.read_text()[-2000:]}")


@dataclass
class RegistryServer:
    """`mlflow server`; only it has the credentials of its store."""

    folder: Path
    database: int
    store: int
    objects: Path
    keys: tuple[str, str] = field(
        default_factory=lambda: (secrets.token_hex(10), secrets.token_hex(20))
    )
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        command = ["mlflow", "server", "--host", "127.0.0.1", "--port", self.port, "--workers", 1]
        command += [
            "--backend-store-uri",
            f"postgresql+psycopg2://postgres@127.0.0.1:{self.database}/postgres",
        ]
        theirs = os.environ | {
            "AWS_ACCESS_KEY_ID": self.keys[0],
            "AWS_SECRET_ACCESS_KEY": self.keys[1],
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.store}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        log = self.folder / "mlflow.log"
        with started(
            [*command, "--artifacts-destination", "s3://models/"], log, env=theirs
        ) as process:
            wait_until_up(f"{self.address}/health", log)
            yield process


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        # PostgreSQL does not run as root.
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    port, data, log = free_port(), folder / "data", folder.parent / "postgres.log"
    made = [
        POSTGRES / "initdb",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run([*made, "-D", data], cwd=folder, check=True, capture_output=True, **owner)
    message = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
    }
    options = [part for name, value in message.items() for part in ("-c", f"{name}={value}")]
    with started([POSTGRES / "postgres", "-D", data, *options], log, cwd=folder, **owner):
        ready = [POSTGRES / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(150):
            if subprocess.run(ready, capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        yield port


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    if not (POSTGRES / "initdb").exists() or not all(map(shutil.which, ("mlflow", "rclone"))):
        pytest.skip("PostgreSQL, mlflow or rclone is not installed; .ci/run installs all three")
    folder = Path(
        subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip()
    )
    # The user postgres cannot enter the folders of pytest.
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            (folder / "database").mkdir()
            (folder / "objects" / "models").mkdir(parents=True)
            database = stack.enter_context(postgres(folder / "database"))
            server = RegistryServer(folder, database, free_port(), folder / "objects")
            key = {"RCLONE_AUTH_KEY": f'"{",".join(server.keys)}"', "RCLONE_CONFIG": os.devnull}
            serve = ["rclone", "serve", "s3", "--addr", f"127.0.0.1:{server.store}", server.objects]
            stack.enter_context(started(serve, folder / "rclone.log", env=os.environ | key))
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.sampled("a company's servers")
def test_registry_on_postgresql_and_s3_supports_train_promote_follow_rollback_and_outage(
    project: Project, registry: RegistryServer
) -> None:
    project.environment |= {"MLFLOW_TRACKING_URI": registry.address}
    # Training and serving have no credentials of the store.
    for name in [name for name in project.environment if name.startswith("AWS_")]:
        del project.environment[name]
    with ExitStack() as life:
        server = life.enter_context(registry.running())
        project.makes("baseline")
        project.makes("promote", REASON="the service needs a model")
        address = life.enter_context(project.serving())
        wait_for_version(address, "1")
        project.makes("train")
        project.makes("promote", REASON="it beats the rule")
        assert wait_for_version(address, "2")["kind"] == "model"
        assert (
            post(f"{address}/v1/predict", [readme_request(project)])["predictions"][0]["decision"]
            == "decline"
        )
        pointer = json.loads((project.path / "var/models/champion.json").read_text())
        followed = project.path / "var/models/versions" / pointer["digest"] / "model.onnx"
        stored = list((registry.objects / "models").rglob("bundle/model.onnx"))
        assert [path.read_bytes() for path in stored] == [followed.read_bytes()], (
            "the store must have the bundle exactly once"
        )
        assert not (project.path / "var/artifacts").exists()
        project.makes("rollback", REASON="complaints since noon")
        assert wait_for_version(address, "1")["kind"] == "baseline"

        os.killpg(server.pid, signal.SIGKILL)
        began = time.monotonic()
        refused = project.run("list-versions")
        assert time.monotonic() - began < 30
        assert refused.returncode == 1
        assert "the registry http://127.0.0.1" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert get(f"{address}/v1/model")["model_version"] == "1", (
            "the service must continue without the registry"
        )

        life.enter_context(registry.running())
        project.makes("promote", "VERSION=2", REASON="they were about something else")
        assert wait_for_version(address, "2")["kind"] == "model", (
            "the follower must reconnect to the server"
        )


def simulate_drift(project: Project) -> None:
    """Triple the payments from one day on, and leave their labels out of load()."""
    data = project.source / "data.py"
    days = f'int(__import__("os").environ.get("EXAMPLE_DAYS", {SHIFT}))'
    text = data.read_text()
    assert "datetime(2026, 1, 1), 100," in text
    text = text.replace("datetime(2026, 1, 1), 100,", f"datetime(2026, 1, 1), {days},")
    known = "    known = table.settled <= ibis.literal(until)\n"
    assert known in text
    changed = f"""    later = table["at"] >= ibis.literal(START + timedelta(days={SHIFT}))
    tripled = ibis.least(table.amount * 3, 50_000.0)
    table = table.mutate(amount=ibis.ifelse(later, tripled, table.amount))
    known = (table.settled <= ibis.literal(until)) & ~later
"""
    data.write_text(text.replace(known, changed))


def truth(project: Project, days: int) -> dict[str, int]:
    """Return the labels of the payments since then, which only the callers of the service know."""
    package = project.package
    program = f"""import json
from {package}.data import _day
columns = ["transaction_id", "fraud"]
days = [_day(day).select(columns).to_pylist() for day in range({SHIFT}, {SHIFT + days})]
print(json.dumps({{row["transaction_id"]: row["fraud"] for day in days for row in day}}))
"""
    python = project.python
    message = subprocess.run(
        [python, "-c", program],
        cwd=project.path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(message.stdout))


@pytest.mark.sampled("a company's servers")
def test_simulated_drift_leads_to_a_challenger_that_a_person_promotes(
    project: Project,
) -> None:
    simulate_drift(project)
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    assert "nothing to do: the champion, version 1, is 0.0 days old" in project.makes("retrain")
    outcomes = truth(project, days=30)
    with project.serving() as address:
        wait_for_version(address, "1")
        received = [
            {"prediction_id": id, "outcome": o, "at": "2026-05-11T00:00:00Z"}
            for id, o in outcomes.items()
        ]
        for first in range(0, len(received), 1_000):
            assert (
                post_json(f"{address}/v1/outcomes", {"outcomes": received[first : first + 1_000]})[
                    "accepted"
                ]
                == 1_000
            )
        smoke = {"prediction_id": "smoke-1", "outcome": 1, "at": "2026-05-11T00:00:00Z"}
        post_json(f"{address}/v1/outcomes", {"outcomes": [smoke]})

        message = project.makes(
            "retrain", "TRIGGER=drift", REASON="payments have tripled", EXAMPLE_DAYS="130"
        )
        assert f"{len(outcomes):,} in sqlite" in message
        used = int(
            re.findall(r": ([\d,]+) fill missing labels of load", message)[0].replace(",", "")
        )
        assert used == len(outcomes)
        assert "Next: make promote" in message
        assert get(f"{address}/v1/model")["model_version"] == "1", "a retraining promotes nothing"
        lines = project.makes("list-versions").splitlines()
        assert any(re.match(r"version +2 +model .* challenger", line) for line in lines)
        assert any(
            "retrain 1 -> 2" in line and line.endswith("drift: payments have tripled")
            for line in lines
        )

        project.makes("promote", REASON="it knows the new payments")
        assert wait_for_version(address, "2")["kind"] == "model"
    again = project.make("retrain", "TRIGGER=drift", EXAMPLE_DAYS="130")
    assert again.returncode != 0
    assert "again; nothing moved" in again.stderr
    assert "Traceback" not in again.stderr
