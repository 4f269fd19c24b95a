"""Tests of a project in a folder of a larger repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlprod.governance.repository import AT_ROOT, unread_files

GIT = shutil.which("git") or "git"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a folder of a repository, with every file that a git host reads."""
    subprocess.run([GIT, "init", "-q", str(tmp_path)], check=True)
    folder = tmp_path / "ml" / "parcels"
    for name in AT_ROOT:
        file = folder / name / "ci.yml" if name == ".github/workflows" else folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def test_files_at_the_root_of_a_repository_are_read(project: Path) -> None:
    shutil.rmtree(project.parents[1] / ".git")
    assert unread_files(project) == [], "no repository at all"
    subprocess.run([GIT, "init", "-q", str(project)], check=True)
    assert unread_files(project) == []


def test_files_in_a_folder_of_a_repository_are_named(
    project: Path,
) -> None:
    lines = unread_files(project)
    assert [line.partition(" ")[0] for line in lines] == list(AT_ROOT)
    for line in lines:
        assert (
            f"is not read in ml/parcels, only at the root of the repository, {project.parents[1]}"
            in line
        )
    shutil.rmtree(project / ".github")
    assert len(unread_files(project)) == len(AT_ROOT) - 2, "missing files are not named"


def test_file_copied_to_the_root_is_not_named(project: Path) -> None:
    root = project.parents[1]
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "parcels.yaml").write_text(
        "defaults: {run: {working-directory: ml/parcels}}"
    )
    (root / ".github" / "dependabot.yml").write_text(
        "updates: [{package-ecosystem: github-actions}]"
    )
    (root / ".github" / "CODEOWNERS").write_text("/ml/parcels/ you@example.org")
    (root / ".gitlab-ci.yml").write_text("ci: {script: make ci}")
    left = [line.partition(" ")[0] for line in unread_files(project)]
    assert left == [".gitlab-ci.yml", ".pre-commit-config.yaml"]
