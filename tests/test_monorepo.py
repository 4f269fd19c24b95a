"""A project in a folder of a larger repository: its checks, messages and copies for the root."""

import os
import random
import re
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ASSETS, LIBRARY, Bake, BakedProject, baking
from test_baked_life import Project, environment

__all__ = ["environment"]  # a fixture
FOLDER = Path("ml", "fraud-scoring")
OWNERS = {
    f"{name}_owner": "Your Name <you@example.org>"
    for name in ("value", "model", "data", "platform")
}
PAGE = (ASSETS / "docs" / "setup.md").read_text(encoding="utf-8")
GITHUB, CODEOWNERS, GITLAB, PRE_COMMIT = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
UNREAD = (
    "import mlprod.governance.repository as r, pathlib; "
    "print(*r.unread_files(pathlib.Path.cwd()), sep='\\n')"
)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def unread(project: Path) -> list[str]:
    """Return the files that the project's own code reports as unread."""
    command, environment = (
        [sys.executable, "-c", UNREAD],
        os.environ | {"PYTHONPATH": str(LIBRARY.parent)},
    )
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return [line.partition(" ")[0] for line in done.stdout.splitlines() if line]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a larger repository with its own files."""
    folder = tmp_path / "platform"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "README.md").write_text("A platform.\n")
    return folder


def baked_into(root: Path, project: BakedProject) -> Path:
    (root / "ml").mkdir()
    path = project.path.rename(root / FOLDER)
    subprocess.run(["rm", "-rf", path / ".git"], check=True)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Everything")
    return path


def run(root: Path, *blocks: str) -> None:
    """Run commands of the page in the root of the repository."""
    first = PAGE[PAGE.index("folder=") :].partition("\n")[0]
    subprocess.run(["sh", "-euc", "\n".join([first, *blocks])], cwd=root, check=True)


def test_copied_github_workflows_run_in_the_folder(root: Path, bake: Bake) -> None:
    project = baked_into(root, bake(ci_provider="github", **OWNERS))
    assert unread(project) == [
        ".github/workflows",
        ".github/dependabot.yml",
        ".pre-commit-config.yaml",
        "CODEOWNERS",
    ]
    run(root, GITHUB, CODEOWNERS, PRE_COMMIT)
    assert unread(project) == []
    names = sorted(path.name for path in (project / ".github" / "workflows").iterdir())
    for name in names:
        mine = yaml.safe_load((project / ".github" / "workflows" / name).read_text())
        copy = yaml.safe_load(
            (root / ".github" / "workflows" / f"fraud-scoring-{name}").read_text()
        )
        assert copy["defaults"]["run"] == {"shell": "bash", "working-directory": FOLDER.as_posix()}
        assert copy["name"] == f"fraud-scoring {mine['name']}"
        assert copy["concurrency"]["group"].startswith("fraud-scoring-")
        assert paths_of(copy) == [path_in_root(path) for path in paths_of(mine)]
        assert copy["jobs"].keys() == mine["jobs"].keys()
    owners = (root / ".github" / "CODEOWNERS").read_text().splitlines()
    rules = [line for line in owners if not line.startswith("#") and line]
    assert rules[0] == f"/{FOLDER}/ you@example.org"
    assert f"/{FOLDER}/src/*/model.py you@example.org" in rules
    assert len(rules) == len(
        re.findall(r"^[*/]", (project / "CODEOWNERS").read_text(), re.MULTILINE)
    )
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [
        f"make -C {FOLDER} {verb}" for verb in ("check", "scan-secrets")
    ]
    assert {hook["files"] for hook in hooks} == {f"^{FOLDER}/"}


def paths_of(workflow: dict[str, Any]) -> list[str]:
    """Return the files that a step passes to another job."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [step["with"]["path"] for step in steps if "path" in step.get("with", {})]


def path_in_root(path: str) -> str:
    return path if path.startswith("$") else f"{FOLDER}/{path}"


def test_copied_gitlab_pipeline_runs_in_the_folder(root: Path, bake: Bake) -> None:
    project = baked_into(root, bake(ci_provider="gitlab"))
    assert ".gitlab-ci.yml" in unread(project)
    run(root, GITLAB)
    assert ".gitlab-ci.yml" not in unread(project)
    included = yaml.safe_load((root / ".gitlab-ci.yml").read_text())
    assert included == {"include": [{"local": ".gitlab/fraud-scoring.yml"}]}
    mine = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    copy = yaml.safe_load((root / ".gitlab" / "fraud-scoring.yml").read_text())
    assert copy.keys() == mine.keys()
    for name, job in copy.items():
        if isinstance(job, dict) and "script" in job:
            assert job["script"] == [f'cd "$CI_PROJECT_DIR/{FOLDER}"', *mine[name]["script"]]
        if isinstance(job, dict) and "artifacts" in job:
            stored, own = job["artifacts"], mine[name]["artifacts"]
            assert stored.get("paths", []) == [path_in_root(path) for path in own.get("paths", [])]
            assert stored.get("reports", {}) == {
                key: path_in_root(path) for key, path in own.get("reports", {}).items()
            }


@pytest.mark.sampled("installers")
@pytest.mark.slow
def test_gates_check_the_files_of_the_folder(root: Path, cookies: Any, environment: Path) -> None:
    """Also if the outer repository ignores half of the files of the project."""
    baked = baking(cookies)()
    (root / ".gitignore").write_text("src/\n*.py\n")
    path = baked_into(root, baked)
    git(root, "add", "-f", "ml")
    git(root, "commit", "-qm", "Ignored files")
    project = Project(BakedProject(path), environment)
    message = project.makes("check", "check-licenses", "scan-secrets")
    assert (
        "CODEOWNERS is not read in ml/fraud-scoring, only at the root of the repository" in message
    )
    read = int(
        re.findall(r"committed files: (\d+) were read, and a planted key was found", message)[0]
    )
    assert read > len(project.baked.git("ls-files").split()) - 10, (
        "only the wheel, empty files and similar ones may be left out"
    )
    invented = "AKIA" + "".join(
        random.SystemRandom().choices(string.ascii_uppercase + "234567", k=16)
    )
    (path / "src" / "fraud_scoring" / "leaked.py").write_text(f'KEY = "{invented}"\nimport  os\n')
    git(root, "add", "-f", "ml")
    refused = project.make("scan-secrets")
    assert refused.returncode != 0
    assert "src/fraud_scoring/leaked.py:1: AWS Access Key" in refused.stderr
    refused = project.make("check")
    assert refused.returncode != 0
    assert "leaked.py:2" in refused.stdout
