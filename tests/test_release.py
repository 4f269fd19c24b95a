"""A release: the wheel of a tag is reproducible, and the workflow attaches only that wheel."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import LIBRARY, ROOT, copy_template

TAG, WHEEL = "v0.1.0", "mlprod-0.1.0-py3-none-any.whl"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINTERS = ("actionlint", "shellcheck", "zizmor", "check-jsonschema")
SUBSTITUTES = ROOT / "tests" / "actions"
needs_linters = pytest.mark.skipif(
    not all(map(shutil.which, LINTERS)), reason=f"needs {', '.join(LINTERS)}; .ci/run installs them"
)


def git(folder: Path, *arguments: object) -> str:
    command = ["git", "-C", str(folder), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of the current template with one tag; tests clone it."""
    folder = tmp_path_factory.mktemp("tagged") / "template"
    copy_template(folder)
    git(folder.parent, "init", "-q", "-b", "main", folder)
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "release")
    git(folder, "tag", TAG)
    return folder


@pytest.fixture
def repository(tagged: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", tagged, "clone")
    return tmp_path / "clone"


def release(repository: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, repository / "templates" / "release.py", *arguments]
    return subprocess.run(
        list(map(str, command)), cwd=repository.parent, capture_output=True, text=True, check=False
    )


def built(repository: Path, folder: Path) -> bytes:
    done = release(repository, "build", TAG, folder)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.iterdir()
    assert wheel.name == WHEEL
    return wheel.read_bytes()


def test_builds_of_a_tag_and_the_wheel_of_a_bake_are_identical(
    repository: Path, tagged: Path, tmp_path: Path
) -> None:
    """The second clone is shallow as in a workflow, converts line ends and has another umask."""
    first = built(repository, tmp_path / "first")
    convert = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")
    before = os.umask(0o077)
    try:
        git(
            tmp_path,
            *convert,
            "clone",
            "-q",
            "--depth=1",
            "--branch",
            TAG,
            tagged.as_uri(),
            "shallow",
        )
    finally:
        os.umask(before)
    assert built(tmp_path / "shallow", tmp_path / "second") == first
    (tmp_path / "project" / "requirements").mkdir(parents=True)
    hook = [sys.executable, repository / "mlprod" / "build_wheel.py", tmp_path / "project"]
    subprocess.run(hook, check=True, capture_output=True)
    assert (tmp_path / "project" / "vendor" / WHEEL).read_bytes() == first


def test_release_check_accepts_the_wheel_of_the_tag_and_rejects_a_changed_one(
    repository: Path, tmp_path: Path
) -> None:
    """The test runs make, after another commit on the branch."""
    wheel = tmp_path / "given" / WHEEL
    built(repository, wheel.parent)
    version = repository / "mlprod" / "src" / "mlprod" / "version.py"
    version.write_text(version.read_text() + "# after the release\n")
    git(repository, "commit", "-qam", "after the release")
    (repository / ".venv" / "bin").mkdir(parents=True)
    (repository / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (repository / ".venv" / "ready").touch()
    command = ["make", "release-check", f"TAG={TAG}", f"WHEEL={wheel}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        rf"{WHEEL} is the wheel of {TAG}, SHA-256 [0-9a-f]{{64}}$", done.stdout, re.MULTILINE
    )
    wheel.write_bytes(wheel.read_bytes().replace(b'VERSION = "0.1.0"', b'VERSION = "0.1.1"'))
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{WHEEL} is not the wheel of {TAG}: its SHA-256 is " in done.stderr


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("0.1.0", "TAG=0.1.0 is not a release tag. Works: TAG=v0.1.0"),
        ("", "TAG= is not a release tag. Works: TAG=v0.1.0"),
        ("v0.1.0rc1", "TAG=v0.1.0rc1 is not a release tag. Works: TAG=v0.1.0"),
        (
            "v0.3.0",
            "this repository has no tag v0.3.0; the newest tags are v0.1.0. Works: git "
            "fetch --tags",
        ),
        (
            "v0.2.0",
            'tag v0.2.0 is on a commit whose mlprod/pyproject.toml has version = "0.1.0". '
            "Works: git tag v0.1.0",
        ),
    ],
)
def test_invalid_tag_is_rejected(tag: str, message: str, repository: Path, tmp_path: Path) -> None:
    if tag == "v0.2.0":
        git(repository, "tag", tag)
    refused = release(repository, "build", tag, tmp_path / "dist")
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "dist").exists()


def test_uncommitted_changes_are_rejected(repository: Path, tmp_path: Path) -> None:
    (repository / "mlprod" / "src" / "mlprod" / "extra.py").touch()
    refused = release(repository, "build", TAG, tmp_path / "dist")
    assert refused.returncode == 1
    assert (
        "the working tree has 1 uncommitted changes: mlprod/src/mlprod/extra.py. Works: "
        in refused.stderr
    )
    assert not (tmp_path / "dist").exists()


def test_check_without_a_wheel_is_rejected(repository: Path, tmp_path: Path) -> None:
    refused = release(repository, "check", TAG, tmp_path / WHEEL)
    assert refused.returncode == 1
    assert f"{WHEEL} is not a file. Works: gh release download {TAG}" in refused.stderr


def test_wheel_has_the_test_results_of_each_check_that_needs_them() -> None:
    """A check whose tests are not in verified.json could never pass in a project."""
    catalogue = yaml.safe_load(
        (LIBRARY / "governance" / "check_catalogue.yaml").read_text(encoding="utf-8")
    )
    lists = [
        check.get(key, []) for check in catalogue["checks"] for key in ("tests", "verified_by")
    ]
    named = {path for paths in lists for path in paths if path.startswith("mlprod/")}
    done = release(ROOT, "tests")
    assert {f"mlprod/{path}" for path in done.stdout.split()} == named
    passed = json.loads((LIBRARY / "verified.json").read_text(encoding="utf-8"))["passed"]
    for path in named:
        assert (ROOT / path).exists(), path
        assert any(file.startswith(path) and count for file, count in passed.items()), path


def test_each_action_is_pinned_and_each_job_has_minimal_permissions() -> None:
    jobs = {
        name: job
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }
    used = {
        line.strip(" -")
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    }
    assert [
        item
        for item in used
        if not re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", item)
    ] == []
    writes = {
        name: sorted(k for k, v in job.get("permissions", {}).items() if v == "write")
        for name, job in jobs.items()
    }
    assert {name: may for name, may in writes.items() if may} == {
        "publish": ["attestations", "contents", "id-token"]
    }
    for job in jobs.values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"]), (
        "the job must not run code of this repository"
    )
    assert set(jobs["publish"]["needs"]) == {"wheel", "verify"}


@needs_linters
def test_linters_accept_the_workflows_of_the_template() -> None:
    strict = ("--offline", "--persona=pedantic", "--config", ROOT / "tests" / "zizmor.yml")
    for command in (
        ("actionlint", "-shellcheck", shutil.which("shellcheck"), *WORKFLOWS),
        ("zizmor", *strict, ".github"),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS),
    ):
        done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("act"), reason="needs act; .ci/run installs it")
def test_act_builds_the_same_wheel_in_the_workflow_twice(repository: Path, tmp_path: Path) -> None:
    """Checkout is act's own; substitutes replace setup-python and the upload."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"ref": f"refs/tags/{TAG}"}))
    text = (repository / ".github" / "workflows" / "release.yml").read_text()
    used = set(re.findall(r"uses: (\S+/(\S+)@\S+)", text))
    here = [
        f"--local-repository={pin}={SUBSTITUTES / name}"
        for pin, name in used
        if (SUBSTITUTES / name).is_dir()
    ]
    command = [
        "act",
        "push",
        "--workflows",
        ".github/workflows/release.yml",
        "--job",
        "wheel",
        "--eventpath",
        event,
    ]
    command += [*here, "--platform=ubuntu-latest=-self-hosted"]
    result = set()
    for _ in range(2):
        done = subprocess.run(
            list(map(str, command)),
            cwd=repository,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        assert re.search(rf"wheel: dist/{re.escape(WHEEL)}, \d+ bytes", done.stdout)
        result |= set(re.findall(rf"([0-9a-f]{{64}})  dist/{re.escape(WHEEL)}", done.stdout))
    assert len(result) == 1
