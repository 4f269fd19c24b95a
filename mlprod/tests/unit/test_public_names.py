"""Pages show imports of public names only, and a project that imports a private name is refused."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from fixture_project import LIBRARY, PACKAGE, PROJECT
from test_public_surface import PUBLIC

import mlprod
from mlprod.commands.development import LINT_IMPORTS

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CONTRACT = SETTINGS["importlinter"]["contracts"][0]
GUIDANCE = CONTRACT["broken_contract_guidance"]
MODULES = re.findall(r"mlprod\.[\w.]+", GUIDANCE)


@pytest.mark.parametrize("name", mlprod.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(mlprod, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_imports_public_names_only(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "from .." not in text
    for names in re.findall(r"from mlprod import ([\w, ]+)", text):
        assert {name.strip() for name in names.split(",")} <= set(mlprod.__all__)
    for module, names in re.findall(r"from (mlprod\.[\w.]+) import ([\w, ]+)", text):
        assert module in PUBLIC
        assert {name.strip() for name in names.split(",")} <= set(import_module(module).__all__)


def test_at_least_one_page_imports_rows_of() -> None:
    assert any("from mlprod import rows_of" in page.read_text(encoding="utf-8") for page in PAGES)


def test_the_guidance_of_the_import_contract_names_the_public_modules_and_names() -> None:
    (names,) = re.findall(r"from mlprod import (.*)", GUIDANCE)
    assert names.split(", ") == sorted(mlprod.__all__)
    assert [import_module(module).__name__ for module in MODULES] == MODULES


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copytree(PROJECT / "src", folder / "src")
    return folder


def lint(project: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run the import contract of the project, as `make check` does, with a line in a new module."""
    (project / "src" / PACKAGE / "features.py").write_text(f"{line}\n")
    paths = os.pathsep.join(str(folder / "src") for folder in (project, LIBRARY))
    assert LINT_IMPORTS[0] == sys.executable
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    return subprocess.run(
        LINT_IMPORTS, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "line",
    [
        "from mlprod.training.registry import Registry",
        "from mlprod import training",
        "import mlprod.identity",
        "from mlprod.batch.recorder import Recorder",
        "from mlprod.batch.scorer import scorer",
        "def late():\n    from mlprod.serving.api import create_api",
    ],
)
def test_a_private_import_is_refused_and_the_message_lists_the_public_names(
    project: Path, line: str
) -> None:
    done = lint(project, line)
    assert done.returncode == 1
    assert f"{PACKAGE}.features -> mlprod." in done.stdout
    for public in GUIDANCE.strip().splitlines():
        assert public in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "from mlprod import Contract, Project, rows_of",
        "import mlprod",
        "from mlprod.batch import open_scorer",
        "from mlprod import client",
    ],
)
def test_a_public_import_is_allowed(project: Path, line: str) -> None:
    done = lint(project, line)
    assert done.returncode == 0, done.stdout
