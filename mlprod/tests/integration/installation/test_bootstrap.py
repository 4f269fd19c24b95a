"""An environment is created with the pinned library or not at all.

The message names the file and the command.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import LIBRARY, PROJECT

WORKS = "Works: git checkout -- vendor requirements/mlprod.txt"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The parts of a project that create its environment."""
    for folder in ("requirements", "vendor", "src"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def wheel_of(project: Path) -> Path:
    (result,) = (project / "vendor").glob("*.whl")
    return result


def refusal(project: Path) -> str:
    command = [sys.executable, "requirements/bootstrap.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert not (project / ".venv").exists(), "nothing is half created"
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_wheel_that_was_changed_is_refused_before_it_runs(project: Path) -> None:
    wheel = wheel_of(project)
    wheel.write_bytes(wheel.read_bytes().replace(b"def setup(", b"def setuq("))
    assert (
        f"vendor/{wheel.name}: it was changed, requirements/mlprod.txt has another "
        f"checksum. {WORKS}" in refusal(project)
    )


def test_a_wheel_that_is_missing_is_named(project: Path) -> None:
    wheel = wheel_of(project)
    wheel.unlink()
    assert (
        f"vendor/{wheel.name}: requirements/mlprod.txt pins it, but vendor/ holds no wheel. {WORKS}"
        in refusal(project)
    )


def test_a_wheel_of_another_version_is_named_beside_the_pinned_one(project: Path) -> None:
    wheel = wheel_of(project)
    wheel.rename(wheel.with_name("mlprod-9.9.9-py3-none-any.whl"))
    assert "but vendor/ holds mlprod-9.9.9-py3-none-any.whl" in refusal(project)


def test_a_bake_without_hooks_shows_how_to_build_the_wheel(project: Path) -> None:
    shutil.rmtree(project / "vendor")
    (project / "requirements" / "mlprod.txt").unlink()
    assert "requirements/mlprod.txt: no such file;" in (message := refusal(project))
    assert "Works: python TEMPLATE/mlprod/build_wheel.py ." in message
    built = [sys.executable, str(LIBRARY / "build_wheel.py"), "."]
    subprocess.run(built, cwd=project, check=True, capture_output=True)
    wheel_of(project)


def test_an_installed_library_of_another_version_is_refused_until_setup(project: Path) -> None:
    shutil.unpack_archive(wheel_of(project), project / "installed", "zip")
    pin = project / "requirements" / "mlprod.txt"
    version = wheel_of(project).name.split("-")[1]
    pin.write_text(pin.read_text().replace(f"mlprod=={version}", "mlprod==9.9.9"))
    environment = {"PYTHONPATH": f"{project / 'installed'}:{project / 'src'}"}
    command = [sys.executable, "-m", "fraud_scoring", "help"]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        f"requirements/mlprod.txt pins mlprod 9.9.9, but {version} is installed. Works: make setup"
        in done.stderr
    )
