"""Updates of a baked project to a newer template, by cruft and by make."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ASSETS, LIBRARY, BakedProject, copy_template, run
from test_hooks import GENERATED, cookiecutter, cruft, git, template, unversioned

__all__ = ["template"]  # a fixture


@pytest.mark.parametrize("made_by", ["cookiecutter", "cruft"])
def test_project_is_checked_and_updated_to_a_new_version(
    made_by: str, template: Path, tmp_path: Path
) -> None:
    url = f"file://{template}"
    if made_by == "cookiecutter":
        project = cookiecutter(f"git+{url}", tmp_path, "--checkout", "v1")
        assert project.git("log", "--format=%s") == "First commit\n"
    else:
        done = cruft(
            "create", url, "-y", "--output-dir", tmp_path, "--checkout", "v1", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "make demo" not in done.stdout
        project = BakedProject(tmp_path / "fraud-scoring")
        assert not (project.path / ".git").exists()
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First commit"]):
            project.git(*arguments)
    assert cruft("check", "--checkout", "v1", cwd=project.path).returncode == 0
    assert cruft("check", cwd=project.path).returncode == 1
    mine = project.path / "governance" / "ownership.yaml"
    mine.write_text(mine.read_text().replace("TODO works", "TODO still works"))
    # These files come with the wheel, so an edit does not block the update.
    for name in GENERATED:
        assert project.read(name) == (ASSETS / name).read_text()
        (project.path / name).write_text("edited\n")
    rules = project.path / "monitoring" / "prometheus" / "project.rules.yml"
    rules.write_text("groups: [] # ours\n")
    project.git("commit", "-qam", "Mine")
    updated = cruft("update", "-y", cwd=project.path)
    assert updated.returncode == 0, updated.stdout + updated.stderr
    changed = [unversioned(name) for name in project.git("diff", "HEAD", "--name-only").split()]
    assert sorted(set(changed)) == [
        ".cruft.json",
        "README.md",
        "requirements/mlprod.txt",
        "vendor/mlprod.whl",
    ]
    (wheel,) = (project.path / "vendor").glob("*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in project.read("requirements/mlprod.txt")
    assert project.read("README.md").endswith("\nNew in V2 of FRAUD-SCORING.\n")
    assert project.json(".cruft.json")["commit"] == git(template, "rev-parse", "v2")
    assert "still works" in mine.read_text()
    assert {project.read(name) for name in GENERATED} == {"edited\n"}
    assert rules.read_text() == "groups: [] # ours\n"
    # `make generate` writes the files from the wheel.
    with zipfile.ZipFile(wheel) as archive:
        assert all(
            archive.read(f"mlprod/assets/project/{name}").endswith(b"New in v2.\n")
            for name in GENERATED
        )
    assert cruft("check", cwd=project.path).returncode == 0
    assert cruft("diff", cwd=project.path).returncode == 0


def test_project_with_the_library_from_an_index_is_updated(template: Path, tmp_path: Path) -> None:
    project = cookiecutter(f"git+file://{template}", tmp_path, "--checkout", "v1")
    pin, (wheel,) = (
        project.path / "requirements" / "mlprod.txt",
        (project.path / "vendor").glob("*.whl"),
    )
    before = pin.read_text()
    pin.write_text(before.replace("--find-links ../vendor\n", ""))
    wheel.unlink()
    settings = project.path / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace(
            "[tool.cruft]\nskip = [\n", '[tool.cruft]\nskip = [\n  "vendor/*.whl",\n'
        )
    )
    project.git("commit", "-qam", "From our index")
    updated = cruft("update", "-y", cwd=project.path)
    assert updated.returncode == 0, updated.stdout + updated.stderr
    changed = project.git("diff", "HEAD", "--name-only").split()
    assert sorted(changed) == [".cruft.json", "README.md", "requirements/mlprod.txt"]
    assert "find-links" not in pin.read_text()
    assert pin.read_text().splitlines()[-1] not in before, "the pin must have the new version"
    assert not [*(project.path / "vendor").glob("*.whl"), *project.path.rglob("*.rej")]
    assert cruft("check", cwd=project.path).returncode == 0


@pytest.fixture
def changing(tmp_path: Path) -> tuple[Path, BakedProject]:
    """Return a copy of the template, and a project that was baked from it."""
    folder = tmp_path / "template"
    copy_template(folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder, cookiecutter(f"git+file://{folder}", tmp_path / "projects")


def change(template: Path, **texts: str) -> None:
    """Append to files of the template, named by their last part, and commit."""
    for name, text in texts.items():
        (file,) = (template / "{{cookiecutter.project_slug}}").rglob(name.replace("__", "."))
        file.write_text(file.read_text() + text)
    git(template, "commit", "-qam", "a fix")


def update(project: BakedProject) -> subprocess.CompletedProcess[str]:
    """Update as `make update` does, in an environment with cruft."""
    command = [sys.executable, "-P", LIBRARY / "ops" / "template_update.py"]
    return subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)


def lines(message: str) -> str:
    """Return the message without the line breaks of a narrow terminal."""
    return " ".join(message.split())


def rename(project: BakedProject) -> Path:
    """Rename the package and commit; return its new folder."""
    project.git("mv", "src/fraud_scoring", "src/risk_scoring")
    project.git("commit", "-qm", "rename")
    return project.path / "src" / "risk_scoring"


@pytest.mark.parametrize("by", ["cruft", "make"])
def test_update_reaches_a_renamed_package(by: str, changing: tuple[Path, BakedProject]) -> None:
    template, project = changing
    package = rename(project)
    change(template, decision__py="# a security fix\n", SECURITY__md="\nA sentence.\n")
    done = cruft("update", "-y", cwd=project.path) if by == "cruft" else update(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the package fraud_scoring is now risk_scoring" in lines(done.stderr)
    assert (package / "decision.py").read_text().endswith("# a security fix\n")
    assert project.read("SECURITY.md").endswith("A sentence.\n")
    state = project.json(".cruft.json")
    assert state["commit"] == git(template, "rev-parse", "HEAD")
    assert state["context"]["cookiecutter"]["package_name"] == "risk_scoring"
    assert not (project.path / "src" / "fraud_scoring").exists()


def test_update_from_a_template_without_rename_support_is_rejected(
    changing: tuple[Path, BakedProject],
) -> None:
    template, project = changing
    extensions = template / "local_extensions.py"
    whole = extensions.read_text()
    call = '    answers["package_name"] = package_of_today(answers, updated_project())\n'
    assert call in whole
    extensions.write_text(whole.replace(call, "").replace("package_of_today", "unused"))
    git(template, "commit", "-qam", "without rename support")
    link = project.path / ".cruft.json"
    link.write_text(
        link.read_text().replace(
            project.json(".cruft.json")["commit"], git(template, "rev-parse", "HEAD")
        )
    )
    project.git("commit", "-qam", "baked from it")
    rename(project)
    extensions.write_text(whole)
    change(template, decision__py="# a security fix\n")
    refused = cruft("update", "-y", cwd=project.path)
    assert refused.returncode != 0
    assert (
        "its name is risk_scoring now. Works: write its name as package_name into .cruft.json"
        in lines(refused.stderr)
    )
    assert project.git("status", "--porcelain") == ""
    link.write_text(
        link.read_text().replace(
            '"package_name": "fraud_scoring"', '"package_name": "risk_scoring"'
        )
    )
    project.git("commit", "-qam", "as the message says")
    assert cruft("update", "-y", cwd=project.path).returncode == 0
    assert project.read("src/risk_scoring/decision.py").endswith("# a security fix\n")


def test_ambiguous_package_must_be_named(
    changing: tuple[Path, BakedProject],
) -> None:
    template, project = changing
    package = rename(project)
    shutil.copytree(package, package.with_name("another"))
    project.git("add", "-A")
    project.git("commit", "-qm", "another")
    change(template, decision__py="# a security fix\n")
    refused = cruft("update", "-y", cwd=project.path)
    assert refused.returncode != 0
    assert "the package is fraud_scoring, but src/ has the packages another, risk_scoring" in lines(
        refused.stderr
    )


def test_bake_in_the_folder_of_another_project_ignores_that_project(
    changing: tuple[Path, BakedProject], tmp_path: Path
) -> None:
    template, project = changing
    rename(project)
    done = run(
        "cookiecutter",
        "--no-input",
        template,
        "-o",
        tmp_path,
        "project_name=Churn",
        cwd=project.path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "churn" / "src" / "churn").is_dir()


def test_update_for_a_missing_file_changes_nothing_and_fails(
    changing: tuple[Path, BakedProject],
) -> None:
    template, project = changing
    project.git("mv", "SECURITY.md", "SECURITY2.md")
    project.git("commit", "-qm", "moved")
    before = project.json(".cruft.json")
    change(template, SECURITY__md="\nA sentence.\n", README__md="\nA sentence.\n")
    refused = update(project)
    assert refused.returncode == 1
    assert (
        "but this project does not have them. Nothing was updated:\n  SECURITY.md\n"
        in refused.stdout
    )
    assert project.json(".cruft.json") == before
    assert project.git("status", "--porcelain") == ""
    settings = project.path / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace(
            "[tool.cruft]\nskip = [", '[tool.cruft]\nskip = [\n  "SECURITY.md",'
        )
    )
    project.git("commit", "-qam", "on purpose")
    done = update(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.read("README.md").endswith("A sentence.\n")


def test_update_lists_the_conflicts_to_merge_by_hand(changing: tuple[Path, BakedProject]) -> None:
    template, project = changing
    page = project.path / "README.md"
    page.write_text("Mine alone.\n")
    project.git("commit", "-qam", "mine")
    change(template, README__md="\nA sentence.\n", SECURITY__md="\nA sentence.\n")
    done = update(project)
    assert done.returncode == 0, done.stdout + done.stderr
    merged = page.read_text()
    assert "README.md" in done.stdout or ("<<<<<<<" in merged and "A sentence." in merged)
    assert project.read("SECURITY.md").endswith("A sentence.\n")
