"""The library installs from a vendored wheel or an index, by uv or pip; a changed wheel fails."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import baking
from test_baked_life import Project, free_port, post, readme_request, wait_for_version

pytestmark = pytest.mark.slow
PIN = "requirements/mlprod.txt"


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """Serve a folder of wheels as a package index on loopback."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}/simple"
        finally:
            server.terminate()


def without_uv() -> str:
    result = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(item for item in result if not shutil.which("uv", path=item))


def predictions(project: Project) -> list[dict[str, Any]]:
    """Start the service and return its predictions for the row of the README, without ids."""
    with project.serving() as address:
        wait_for_version(address, "1")
        row = readme_request(project) | {"id": os.urandom(8).hex()}
        return [{**item, "id": ""} for item in post(f"{address}/v1/predict", [row])["predictions"]]


@pytest.mark.sampled("installers")
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_library_installs_from_the_vendored_wheel_or_an_index(
    cookies: Any, tmp_path: Path, installer: str
) -> None:
    project = Project(baking(cookies)(), tmp_path / "venv")
    if installer == "pip":
        project.environment["PATH"] = without_uv()
    assert f"installing {PIN} with {installer}" in project.makes("setup")
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    vendored = predictions(project)

    wheel, pin = next(project.path.glob("vendor/*.whl")), project.path / PIN
    (tmp_path / "served" / "simple" / "mlprod").mkdir(parents=True)
    published = Path(shutil.move(wheel, tmp_path / "served" / "simple" / "mlprod"))
    pin.write_text(
        "".join(line for line in pin.read_text().splitlines(True) if "--find-links" not in line)
    )
    with index(tmp_path / "served") as address:
        project.environment |= {"PIP_EXTRA_INDEX_URL": address, "UV_INDEX": address}
        assert f"installing {PIN} with {installer}" in project.makes("setup")
        assert predictions(project) == vendored

        published.write_bytes(published.read_bytes() + b"changed")
        pin.touch()
        refused = project.make("setup")
    assert refused.returncode != 0
    assert "hash" in (refused.stdout + refused.stderr).lower()
    assert predictions(project) == vendored, "the installed library must remain"
