"""Patches of the library in a project: an update applies them again, or names the conflict."""

import difflib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import BakedProject
from test_hooks import git
from test_template_update import changing as changing
from test_template_update import update

FILE = "mlprod/identity.py"
PATCHED = '"""Changed by a patch of this project."""\n'


def lines_of(template: Path) -> list[str]:
    return (
        (template / "mlprod" / "src" / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    )


def commit_change(template: Path, name: str, line: str) -> None:
    """Commit another version of the library, with a line at the top of one of its files."""
    path = template / "mlprod" / "src" / name
    path.write_text(line + path.read_text(encoding="utf-8"), encoding="utf-8")
    git(template, "commit", "-qam", "a change of the library")


def pin(project: BakedProject) -> str:
    (line,) = [
        line
        for line in project.read("requirements/mlprod.txt").splitlines()
        if line.startswith("mlprod==")
    ]
    return line.removeprefix("mlprod==").partition(" ")[0]


def wheels(project: BakedProject) -> list[str]:
    return sorted(path.name.split("-")[1] for path in (project.path / "vendor").glob("*.whl"))


@pytest.fixture
def patched(changing: tuple[Path, BakedProject]) -> tuple[Path, BakedProject]:
    """Return a template and a committed project with one patch."""
    template, project = changing
    before = lines_of(template)
    text = "".join(difflib.unified_diff(before, [PATCHED, *before[1:]], f"a/{FILE}", f"b/{FILE}"))
    (project.path / "patches").mkdir()
    (project.path / "patches" / "01-identity.patch").write_text(text)
    command = [sys.executable, "requirements/bootstrap.py", "mlprod-patch"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=project.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    project.git("add", "-A")
    project.git("commit", "-qm", "Our patch")
    return template, project


def test_patch_remains_after_an_update(patched: tuple[Path, BakedProject]) -> None:
    template, project = patched
    released = pin(project).partition("+")[0]
    commit_change(template, "mlprod/locks.py", "# newer\n")
    done = update(project)
    assert done.returncode == 0, done.stdout + done.stderr
    newer = pin(project).removesuffix("+org.1")
    assert newer not in (released, pin(project))
    assert wheels(project) == sorted([newer, f"{newer}+org.1"])
    with zipfile.ZipFile(
        project.path / "vendor" / f"mlprod-{pin(project)}-py3-none-any.whl"
    ) as wheel:
        assert wheel.read(FILE).decode().startswith(PATCHED)
        assert wheel.read("mlprod/locks.py").startswith(b"# newer\n")
    assert list(project.path.rglob("*.rej")) == []
    assert [
        line
        for line in project.git("status", "--porcelain").splitlines()
        if line[:2].strip() in ("U", "UU", "AA", "??")
    ] == []
    assert "<<<<" not in project.read("requirements/mlprod.txt")
    assert project.json(".cruft.json")["commit"] == git(template, "rev-parse", "HEAD")
    project.git("commit", "-qam", "Updated")
    assert project.git("status", "--porcelain") == "", (
        "a commit of all tracked files must contain the whole update"
    )
    assert update(project).returncode == 0
    assert project.git("status", "--porcelain") == ""


def test_update_with_a_patch_that_does_not_apply_changes_nothing(
    patched: tuple[Path, BakedProject],
) -> None:
    template, project = patched
    commit_change(template, FILE, "# newer\n")
    changed = lines_of(template)
    (template / "mlprod" / "src" / FILE).write_text("".join(["# other\n", *changed[2:]]))
    git(template, "commit", "-qam", "a change of the patched line")
    before = project.read("requirements/mlprod.txt"), wheels(project)
    refused = update(project)
    assert refused.returncode == 1
    assert "patches/01-identity.patch does not fit mlprod 0." in refused.stdout
    assert f"{FILE}: patch does not apply. Nothing was updated." in refused.stdout
    assert (project.read("requirements/mlprod.txt"), wheels(project)) == before
    assert project.git("status", "--porcelain") == ""


def test_update_with_the_same_library_keeps_the_patched_one(
    patched: tuple[Path, BakedProject],
) -> None:
    template, project = patched
    before = pin(project)
    commits = git(template, "rev-list", "--count", "HEAD")
    git(template, "tag", "v9.9.9")
    link = project.json(".cruft.json")["commit"]
    assert link == git(template, "rev-parse", "HEAD"), commits
    assert update(project).returncode == 0
    assert pin(project) == before
