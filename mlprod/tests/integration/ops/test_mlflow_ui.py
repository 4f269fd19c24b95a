import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import eventually
from fixture_project import PACKAGE, PROJECT

from mlprod.ops.mlflow_ui import MlflowPagesError, run_mlflow_ui
from mlprod.settings import Settings


def whole_mlflow() -> Path | None:
    """The interpreter of an environment with the whole MLflow, as .ci/run installs it."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        python = Path(folder, "python")
        if Path(folder, "mlflow").is_file() and python.exists():
            done = subprocess.run([python, "-c", "import mlflow.server, flask"], check=False)
            if done.returncode == 0:
                return python
    return None


def test_registry_without_runs_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(MlflowPagesError, match=r"so there are no runs. Works: make train"):
        run_mlflow_ui(Settings(state_dir=tmp_path, tracking_uri=""), PROJECT, 1)


def test_registry_that_is_a_server_has_its_pages_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(state_dir=tmp_path, tracking_uri="https://you:secret@mlflow.example.org")
    assert run_mlflow_ui(settings, PROJECT, 1) == 0
    printed = capsys.readouterr().out
    assert "mlflow.example.org" in printed
    assert "secret" not in printed


def test_missing_lock_is_named_with_the_command_that_restores_it(
    empty_state: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_state / "mlflow.db", tmp_path)
    with pytest.raises(MlflowPagesError, match=r"git checkout requirements/registry\.txt"):
        run_mlflow_ui(Settings(state_dir=tmp_path, tracking_uri=""), tmp_path, 1)


def test_pages_of_the_projects_registry_are_served_on_this_machine_only(
    empty_state: Path, tmp_path: Path
) -> None:
    python = whole_mlflow()
    if python is None:
        pytest.skip("no environment on PATH has the whole MLflow; .ci/run installs one")
    shutil.copy(empty_state / "mlflow.db", tmp_path)
    installed = tmp_path / "mlflow-ui" / "bin" / "python"
    installed.parent.mkdir(parents=True)
    installed.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    installed.chmod(0o755)
    (tmp_path / "mlflow-ui" / "ready").touch()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"

    def page(path: str) -> str:
        with urllib.request.urlopen(address + path, timeout=20) as response:  # noqa: S310 - our own
            return str(response.read().decode())

    command = [sys.executable, "-m", PACKAGE, "ui", "--port", str(port)]
    environment = os.environ | {"ML_STATE_DIR": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        try:
            eventually(lambda: "MLflow" in page("/"), seconds=180)
            query = "/ajax-api/2.0/mlflow/experiments/search?max_results=5"
            assert '"name": "nothing"' in page(query)
        finally:
            process.terminate()
            process.wait(30)
        with pytest.raises(OSError, match="refused"):
            page("/")
    assert address in (tmp_path / "log").read_text()
