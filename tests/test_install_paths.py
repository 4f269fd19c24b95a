"""The library comes as a vendored wheel or from an index, by uv or by pip alone; what was changed
stays out.
"""

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
    """A folder of wheels as a package index on loopback."""
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


def answer(project: Project) -> list[dict[str, Any]]:
    """What the service of this project says about one row and the same id each time."""
    with project.serving() as address:
        wait_for_version(address, "1")
        row = readme_request(project) | {"id": os.urandom(8).hex()}
        return [{**item, "id": ""} for item in post(f"{address}/v1/predict", [row])["predictions"]]


@pytest.mark.sampled("installers")
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_library_comes_from_the_vendored_wheel_or_from_an_index(
    cookies: Any, tmp_path: Path, installer: str
) -> None:
    project = Project(baking(cookies)(), tmp_path / "venv")
    if installer == "pip":
        project.environment["PATH"] = without_uv()
    assert f"installing {PIN} with {installer}" in project.makes("setup")
    project.makes("baseline")
    project.makes("promote", REASON="something must answer")
    vendored = answer(project)

    wheel, pin = next(project.path.glob("vendor/*.whl")), project.path / PIN
    (tmp_path / "served" / "simple" / "mlprod").mkdir(parents=True)
    published = Path(shutil.move(wheel, tmp_path / "served" / "simple" / "mlprod"))
    pin.write_text(
        "".join(line for line in pin.read_text().splitlines(True) if "--find-links" not in line)
    )
    with index(tmp_path / "served") as address:
        project.environment |= {"PIP_EXTRA_INDEX_URL": address, "UV_INDEX": address}
        assert f"installing {PIN} with {installer}" in project.makes("setup")
        assert answer(project) == vendored

        published.write_bytes(published.read_bytes() + b"changed")
        pin.touch()
        refused = project.make("setup")
    assert refused.returncode != 0
    assert "hash" in (refused.stdout + refused.stderr).lower()
    assert answer(project) == vendored, "the library of before goes on"
