"""The post_gen hook: removed files, the link to the template, the first commit, failures of git."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Bake, BakedProject, copy_template, load_hook, run

POST_GEN = load_hook("post_gen_project")
NEXT_STEPS = 3
GENERATED = ("docs/drift.md", "monitoring/prometheus/service.rules.yml")


def printed(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().out.splitlines()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("answer", "own"), [("github", ".github/"), ("gitlab", ".gitlab-ci.yml"), ("none", ())]
)
def test_bake_has_only_the_files_of_the_selected_ci(
    answer: str, own: str | tuple[()], bake: Bake
) -> None:
    files = bake(ci_provider=answer).files()
    of_a_ci = [name for name in files if name.startswith((".github/", ".gitlab"))]
    assert of_a_ci == [name for name in files if name.startswith(own)]
    assert bool(of_a_ci) == bool(own)
    assert {"Makefile", "docs/delivery.md"} < set(files), (
        "the make targets and their page must remain"
    )


def test_first_commit_has_every_file_and_the_tree_is_clean(
    bake: Bake, capfd: pytest.CaptureFixture[str], template: Path
) -> None:
    project = bake(template)
    assert (
        project.git("log", "--format=%an <%ae> %s") == "Your Name <you@example.org> First commit\n"
    )
    assert project.git("branch", "--show-current") == "main\n"
    assert sorted(project.git("ls-files").split()) == sorted([*project.files(), ".cruft.json"])
    assert project.git("status", "--porcelain") == ""
    project.git("fsck", "--strict")
    assert len(printed(capfd)) == NEXT_STEPS


def test_next_steps_name_the_absolute_path(
    bake: Bake, capfd: pytest.CaptureFixture[str], template: Path
) -> None:
    project = bake(template)
    assert printed(capfd)[0] == f'cd "{project.path}"'


def without_git(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    patch.setenv("PATH", str(tmp_path))


def without_identity(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def unversioned(name: str) -> str:
    """Return the name of the wheel without its version, which counts commits."""
    return re.sub(r"(?<=/mlprod)-.*(?=\.whl)", "", name)


def with_a_git_that_fails(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho 'fatal: disk full \\377' >&2\nexit 128\n")
    (tmp_path / "git").chmod(0o755)
    patch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (without_git, "git is not on the PATH"),
        (without_identity, "fatal: no email was given and auto-detection is disabled"),
        (with_a_git_that_fails, "fatal: disk full"),
    ],
)
def test_bake_without_git_or_identity_succeeds_and_prints_the_reason(
    state: Callable[..., None],
    reason: str,
    bake: Bake,
    git_user: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    whole = [unversioned(name) for name in bake().files()]
    printed(capfd)
    state(git_user, monkeypatch, tmp_path)
    project = bake()
    assert [unversioned(name) for name in project.files()] == whole
    assert not (project.path / ".git").exists()
    (note,) = [line for line in printed(capfd) if line.startswith("No git repository created: ")]
    assert reason in note
    assert "git init && git add -A && git commit" in note


def test_folder_inside_a_repository_gets_no_own_repository(
    bake: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q")
    project = bake()
    assert not (project.path / ".git").exists()
    (note,) = [line for line in printed(capfd) if line.startswith("No git repository created: ")]
    assert f"the folder is inside the repository {tmp_path}." in note
    assert "only at the root of the repository. Works: copy them there, see docs/setup.md" in note
    assert (project.path / "docs" / "setup.md").exists()
    assert git(tmp_path, "diff", "--cached", "--name-only") == ""


def test_folder_that_the_outer_repository_ignores_gets_its_own_repository(
    bake: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("*\n")
    project = bake()
    assert project.git("log", "--format=%s") == "First commit\n"
    assert sorted(project.git("ls-files").split()) == sorted(
        [*project.files(), *([".cruft.json"] * has_link(project))]
    )
    assert not [line for line in printed(capfd) if line.startswith("No git repository created: ")]


def has_link(project: BakedProject) -> bool:
    return (project.path / ".cruft.json").exists()


def failing_hooks(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout"):
        (hooks / name).write_text("#!/bin/sh\necho refused >&2\nexit 1\n")
        (hooks / name).chmod(0o755)
    return f"[core]\nhooksPath = {hooks}\n"


def failing_signature(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    return "[commit]\ngpgSign = true\n[gpg]\nprogram = /bin/false\n"


def failing_template_hooks(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    failing_hooks(config, patch, tmp_path)
    return f"[init]\ntemplateDir = {tmp_path}\n"


def missing_template_folder(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    return "[init]\ntemplateDir = /nowhere\ndefaultBranch = trunk\n"


def ignored_files(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    (tmp_path / "ignored").write_text("*.toml\nmodels\nsrc\n")
    return f"[core]\nexcludesFile = {tmp_path / 'ignored'}\n"


def no_home(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    patch.delenv("HOME")
    return ""


def inside_a_git_hook(config: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    patch.setenv("GIT_DIR", str(tmp_path / "other.git"))
    patch.setenv("GIT_INDEX_FILE", str(tmp_path / "other.git" / "index"))
    return ""


@pytest.mark.parametrize(
    "state",
    [
        failing_hooks,
        failing_signature,
        failing_template_hooks,
        missing_template_folder,
        ignored_files,
        no_home,
        inside_a_git_hook,
    ],
)
def test_first_commit_succeeds_with_any_git_configuration(
    state: Callable[..., str],
    bake: Bake,
    git_user: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(git_user.read_text() + state(git_user, monkeypatch, tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    project = bake()
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert project.git("log", "--format=%s", "main") == "First commit\n"
    assert set(project.files()) <= set(project.git("ls-files").split())
    assert not (tmp_path / "other.git").exists()


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://user:token@git.example.org/org/repo.git", "https://git.example.org/org/repo.git"),
        ("https://git.example.org/org/repo@2.git", "https://git.example.org/org/repo@2.git"),
        ("ssh://git@git.example.org/org/repo.git", "ssh://git@git.example.org/org/repo.git"),
        ("git@git.example.org:org/repo.git", "git@git.example.org:org/repo.git"),
        ("file:///srv/repo", "file:///srv/repo"),
    ],
)
def test_link_contains_no_password(url: str, public: str) -> None:
    assert POST_GEN["without_credentials"](url) == public


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template as a repository with two tags.

    The second tag changes a file, the use of a filter and the filters.
    """
    folder = tmp_path_factory.mktemp("released") / "ml-prod-template"
    copy_template(folder)
    git(folder, "init", "-q", "-b", "main")
    for tag in ("v1", "v2"):
        if tag == "v2":
            extensions = folder / "local_extensions.py"
            extensions.write_text(
                extensions.read_text().replace("for f in (folded,", "for f in (str.upper, folded,")
            )
            readme = folder / "{{cookiecutter.project_slug}}" / "README.md"
            readme.write_text(
                readme.read_text()
                + "\nNew in {{ 'v2' | upper }} of {{ cookiecutter.project_slug | upper }}.\n"
            )
            for name in GENERATED:
                page = folder / "mlprod" / "src" / "mlprod" / "assets" / "project" / name
                page.write_text(page.read_text() + "\nNew in v2.\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", tag)
        git(folder, "tag", tag)
    return folder


def cookiecutter(template: object, output: Path, *more: object) -> BakedProject:
    config = output / "user.yaml"
    output.mkdir(parents=True, exist_ok=True)
    config.write_text(f"cookiecutters_dir: {output}/clones\nreplay_dir: {output}/replay\n")
    done = run(
        "cookiecutter",
        "--no-input",
        template,
        "-o",
        output,
        "--config-file",
        config,
        *more,
        cwd=output,
    )
    assert done.returncode == 0, done.stderr
    return BakedProject(output / "fraud-scoring")


def cruft(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("cruft", *arguments, cwd=cwd)


def test_link_of_a_plain_bake_equals_the_link_of_cruft(template: Path, tmp_path: Path) -> None:
    url, owner = f"file://{template}", "model_owner=Zoë <zoe@example.org>"
    plain = cookiecutter(f"git+{url}", tmp_path / "plain", "--checkout", "v1", owner).json(
        ".cruft.json"
    )
    context = tmp_path / "answers.json"
    context.write_text(json.dumps({"model_owner": "Zoë <zoe@example.org>"}))
    done = cruft(
        "create",
        url,
        "-y",
        "--output-dir",
        tmp_path,
        "--checkout",
        "v1",
        "--extra-context-file",
        context,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    linked = json.loads((tmp_path / "fraud-scoring" / ".cruft.json").read_text())
    for state in (plain, linked):
        state["template"] = state["context"]["cookiecutter"]["_template"] = state[
            "template"
        ].removeprefix("file://")
    assert plain == linked
    assert plain["commit"] == git(template, "rev-parse", "v1")
    assert str(tmp_path) not in json.dumps(plain).replace(str(template), "")


@pytest.mark.parametrize("spelling", ["absolute", "relative", "here"])
def test_local_template_is_linked_by_its_absolute_path(
    spelling: str, template: Path, tmp_path: Path
) -> None:
    given = {
        "absolute": template,
        "relative": Path(os.path.relpath(template, tmp_path)),
        "here": Path(),
    }[spelling]
    at = template if spelling == "here" else tmp_path
    done = run("cookiecutter", "--no-input", str(given), "-o", tmp_path, cwd=at)
    assert done.returncode == 0, done.stderr
    state = BakedProject(tmp_path / "fraud-scoring").json(".cruft.json")
    assert (state["template"], state["checkout"]) == (str(template), None)
    assert cruft("check", cwd=tmp_path / "fraud-scoring").returncode == 0


def test_uncommitted_changes_of_the_template_are_reported(
    template: Path, bake: Bake, capfd: pytest.CaptureFixture[str]
) -> None:
    (template / "scratch").write_text("")
    try:
        bake(template)
    finally:
        (template / "scratch").unlink()
    assert "The template has uncommitted changes; .cruft.json names its last commit." in printed(
        capfd
    )


def test_template_without_git_is_not_linked(
    template: Path, tmp_path: Path, bake: Bake, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(template, tmp_path / "copy", ignore=shutil.ignore_patterns(".git"))
    project = bake(copy)
    assert not (project.path / ".cruft.json").exists()
    assert any(line.startswith("No link to the template: ") for line in printed(capfd))
    assert project.git("log", "--format=%s") == "First commit\n"


@pytest.mark.parametrize("hook", ["pre_gen_project", "post_gen_project"])
def test_hook_imports_only_the_standard_library_and_no_network_module(hook: str) -> None:
    code = f"import runpy, sys; runpy.run_path('hooks/{hook}.py'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= sys.stdlib_module_names | {"__main__", "sitecustomize"}
    assert not loaded & {"socket", "ssl", "urllib", "http"}


def test_old_python_is_rejected_before_the_bake(tmp_path: Path) -> None:
    pretended = (
        "import sys; sys.version_info = (3, 10, 0, 'final', 0); sys.argv = ['cookiecutter', "
        "*sys.argv[1:]]; "
    )
    code = pretended + "from cookiecutter.__main__ import main; main(prog_name='cookiecutter')"
    command = [
        sys.executable,
        "-c",
        code,
        "--no-input",
        "--default-config",
        "-o",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this template needs Python 3.11 or later" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
