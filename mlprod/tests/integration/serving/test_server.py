import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from conftest import Trained, eventually, release
from fixture_project import PACKAGE

from mlprod.settings import Settings
from mlprod.training.registry import Registry

# Seconds at most for a process to import its libraries on a busy machine. The follower imports all
# training libraries.
STARTING = 120
TRAINS = (
    "ibis",
    "mlflow",
    "onnx",
    "pandas",
    "pyarrow",
    "scipy",
    "skl2onnx",
    "sklearn",
    "sqlalchemy",
    "yaml",
)


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """Return the environment for a process with the same registry and folder."""
    message = {
        "ML_STATE_DIR": settings.state_dir,
        "ML_MODEL_NAME": settings.model_name,
        "ML_MODEL_DIR": settings.models,
        "ML_DATABASE_URL": settings.database_url,
        "ML_EVENT_LOG_DIR": settings.event_log_dir,
    }
    paths = os.pathsep.join(sys.path)
    return (
        os.environ | {name: str(value) for name, value in message.items()} | {"PYTHONPATH": paths}
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        result: int = probe.getsockname()[1]
    return result


def test_the_service_imports_no_training_library() -> None:
    program = (
        f"import sys, mlprod.serving.server, {PACKAGE}.contract, {PACKAGE}.decision; "
        f"print(*sys.modules)"
    )
    message = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(TRAINS) & set(message.stdout.split())


def test_the_service_starts_without_a_model_and_ends_at_a_signal(
    environment: dict[str, str], port: int
) -> None:
    command = [sys.executable, "-m", PACKAGE, "serve", "--no-follow"]
    with subprocess.Popen(
        command, env=environment | {"ML_PORT": str(port), "ML_ADMIN_PORT": "0"}
    ) as service:
        try:
            docs = f"http://127.0.0.1:{port}/docs"
            eventually(lambda: urllib.request.urlopen(docs, timeout=5).status == 200, STARTING)
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(20)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by SIGKILL")
def test_the_follower_runs_beside_the_service_and_ends_with_it(
    environment: dict[str, str], settings: Settings, trained_baseline: Trained
) -> None:
    version = release(Registry(settings), trained_baseline.bundle)
    program = "import time; from mlprod.serving.follower_process import run_follower\n"
    program += f"with run_follower({PACKAGE!r}): time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE
    ) as parent:
        try:
            eventually((settings.models / "champion.json").exists, STARTING)
        finally:
            parent.kill()
        # returns only after the end of the follower, which writes to the same output
        message, _ = parent.communicate(timeout=STARTING)
    assert f"champion is now {version.digest[:12]}" in message.decode()
