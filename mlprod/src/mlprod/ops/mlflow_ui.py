"""MLflow's own pages on this machine, in an environment of their own.

The library uses mlflow-skinny, which has no pages. The whole MLflow needs older packages, so it
stays out of the project's environment and of the images.
"""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from ..display.masking import masked
from ..installation import environments
from ..settings import Settings

HOST = "127.0.0.1"
LOCK, FOLDER = Path("requirements/registry.txt"), "mlflow-ui"


class MlflowPagesError(Exception):
    """MLflow's pages cannot be started; the message shows what works."""


def run_mlflow_ui(settings: Settings, root: Path, port: int) -> int:
    """Serve the pages of the embedded registry until Ctrl-C, and return the exit code.

    The first call installs MLflow, hash-locked, below the state folder. Of a registry that is a
    server it prints the address. Raises MlflowPagesError without a registry or without the lock.
    """
    if settings.tracking_uri:
        print(f"the registry is a server, which has the pages: {masked(settings.tracking_uri)}")
        return 0
    if not settings.database.exists():
        raise MlflowPagesError(
            f"{settings.database} does not exist, so there are no runs. Works: make train"
        )
    folder, lock = settings.state_dir / FOLDER, root / LOCK
    if not (folder / environments.READY).is_file() and (code := _install(folder, lock, root)):
        return code
    address = settings.database.resolve().as_posix()
    command = [str(environments.python_of(folder)), "-P", "-m", "mlflow", "server"]
    command += ["--backend-store-uri", f"sqlite:///{address}", "--host", HOST, "--port", f"{port}"]
    command += ["--default-artifact-root", (settings.state_dir / "artifacts").resolve().as_uri()]
    text = f"http://{HOST}:{port} shows the runs of {settings.model_name}; Ctrl-C ends it"
    print(text, flush=True)
    # The pages must not see the packages or the settings of the project.
    hidden = ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    # Its jobs are for other uses of MLflow, and would be six processes more.
    environment |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return _run([*command, "--workers", "1"], environment)


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a server that starts processes of its own, and end all of them with this process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return process.wait()
    finally:
        if os.name == "nt":
            process.terminate()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _install(folder: Path, lock: Path, root: Path) -> int:
    if not lock.is_file():
        raise MlflowPagesError(
            f"{lock} does not exist; it lists the packages of MLflow's pages with their hashes. "
            f"Works: git checkout {LOCK.as_posix()}, or make lock, which writes it"
        )
    environments.make_environment(folder, root)
    if code := environments.install(folder, "--require-hashes", "-r", str(lock)):
        return code
    environments.mark_ready(folder, root)
    return 0
