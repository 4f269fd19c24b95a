"""The start of a command: its Python, its folder and its code."""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import eventually, point
from fixture_project import PACKAGE, PROJECT

from mlprod import __file__ as library
from mlprod.commands.start import NEWEST, OLDEST, unfit_python
from mlprod.settings import Settings
from mlprod.training.registry import Registry

LIBRARY, SOURCE = Path(library).resolve().parent, PROJECT / "src" / PACKAGE
RUN = f"import runpy; runpy.run_module({PACKAGE!r}, run_name='__main__')"


def run(folder: Path, path: Path, *parts: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`, with the code below `path`."""
    start = ["-c", code] if code else ["-m", PACKAGE]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(LIBRARY.parent)])}
    return subprocess.run(
        [sys.executable, *start, *parts],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def copy(folder: Path) -> Path:
    """Create a project at `folder` with a copy of the four files; return its src."""
    shutil.copytree(SOURCE, folder / "src" / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "src"


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14), (4, 0)])
def test_unsupported_python_is_refused_before_anything_is_imported(
    version: tuple[int, int], tmp_path: Path
) -> None:
    pretended = f"import sys; sys.version_info = (*{version}, 0, 'final', 0); "
    done = run(tmp_path, SOURCE.parent, "setup", code=pretended + RUN)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"Python {version[0]}.{version[1]} ({sys.executable}) cannot run {PACKAGE}"
    )
    assert "Works: make setup PYTHON=python3.13" in done.stderr
    assert "Traceback" not in done.stderr


def test_first_files_parse_on_an_old_python() -> None:
    library = [
        LIBRARY / name
        for name in (
            "__init__.py",
            "__main__.py",
            "commands/__init__.py",
            "commands/start.py",
            "project/__init__.py",
            "project/folder.py",
        )
    ]
    for path in (SOURCE / "__main__.py", Path("requirements/bootstrap.py"), *library):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_current_python_is_one_that_the_project_requires() -> None:
    requested = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    assert requested == f">={OLDEST[0]}.{OLDEST[1]},<{NEWEST[0]}.{NEWEST[1] + 1}"
    assert unfit_python(PACKAGE, *sys.version_info[:2]) == ""


def test_code_of_another_project_is_refused(tmp_path: Path) -> None:
    other, mine = copy(tmp_path / "other"), copy(tmp_path / "mine")
    refused = run(mine.parent, other, "help")
    assert refused.returncode == 1
    assert (
        f"would run is {other / PACKAGE}, but this project's code is {mine / PACKAGE}. Nothing"
        in refused.stderr
    )
    assert "PYTHONPATH names the other project. Works: unset PYTHONPATH" in refused.stderr
    assert run(mine.parent, mine, "help").returncode == 0, "a copy runs with its own code"


def test_environment_of_another_project_is_refused_with_the_remedy(tmp_path: Path) -> None:
    mine = copy(tmp_path / "mine")
    inserted = (
        f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); "  # as an editable install does
    )
    refused = run(mine.parent, tmp_path, "help", code=inserted + RUN)
    assert refused.returncode == 1
    assert f"{sys.prefix} was created for the other project. Works: make setup" in refused.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An unused copy of the project."""
    folder = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__", "var", ".git", "vendor", "mlprod.txt")
    return Path(shutil.copytree(PROJECT, folder, ignore=ignored))


def test_verbs_and_service_find_the_project_from_another_folder(
    project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "rows.csv").write_text("amount\n12.5\n")
    done = run(elsewhere, project / "src", "train", "--baseline")
    assert done.returncode == 0, done.stderr
    typed = run(elsewhere, project / "src", "validate", "--input", "rows.csv")
    assert typed.returncode == 1
    assert f"{elsewhere / 'rows.csv'}: it has no column" in typed.stderr
    settings = Settings(
        state_dir=project / "var", tracking_uri="", model_name=PACKAGE.replace("_", "-")
    )
    (version,) = Registry(settings).versions()
    bundle = Registry(settings).download(version, tmp_path)
    point(settings.models, bundle.rename(tmp_path / version.digest), version.number)
    served = f'from mlprod import create_api\n\napp = create_api("{PACKAGE}")\n'
    (project / "src" / PACKAGE / "api.py").write_text(served)
    near = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with serving(elsewhere, project / "src") as url:
        eventually(
            lambda: json.load(near.open(f"{url}/v1/model", timeout=10))["kind"] == "baseline"
        )
    assert (project / "var" / "spool").is_dir()
    assert [path.name for path in elsewhere.iterdir()] == ["rows.csv"]


@contextmanager
def serving(folder: Path, path: Path) -> Iterator[str]:
    """The API by uvicorn alone, started in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", f"{PACKAGE}.api:app", "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(LIBRARY.parent)])}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = iter(process.stderr or ())
            assert any("Uvicorn running on" in line for line in lines), (
                "it ended before it listened"
            )
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_installed_code_runs_in_a_folder_without_a_project(tmp_path: Path) -> None:
    assert run(tmp_path, SOURCE.parent, "help").returncode == 0
    (tmp_path / "src" / "another").mkdir(parents=True)
    assert run(tmp_path, SOURCE.parent, "help").returncode == 0


def test_traceback_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = copy(tmp_path)
    data = source / PACKAGE / "data.py"
    data.write_text(
        data.read_text() + "\n\ndef load(*_, **__):\n    raise OSError('refused: c4n4ry-word')\n"
    )
    monkeypatch.setenv("PGPASSWORD", "c4n4ry-word")
    done = run(tmp_path, source, "validate")
    assert done.returncode == 1
    assert "OSError: refused: ***" in done.stderr
    assert "c4n4ry" not in done.stdout + done.stderr
