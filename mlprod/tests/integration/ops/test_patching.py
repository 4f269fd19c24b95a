"""The verb mlprod-patch: the wheel is patched, rebuilt and pinned; a bad patch changes nothing."""

import difflib
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fixture_project import LIBRARY, PROJECT

from mlprod.ops.patched_wheel import PatchError, patched_wheel
from mlprod.ops.patching import apply_patches, outdated_patches, read_pin

FILE = "mlprod/identity.py"
CODE = (LIBRARY / "src" / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
PATCH = "".join(
    difflib.unified_diff(CODE, ['"""Changed by a patch."""\n', *CODE[1:]], f"a/{FILE}", f"b/{FILE}")
)
NEW_FILE = """--- /dev/null
+++ b/{name}
@@ -0,0 +1 @@
+ADDED = True
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one patch, inside a git repository, which must not change the result."""
    folder = tmp_path / "project"
    for name in ("requirements", "vendor", "src"):
        shutil.copytree(PROJECT / name, folder / name)
    subprocess.run([str(shutil.which("git")), "init", "-q", str(tmp_path)], check=True)
    add_patch(folder, "01-identity", PATCH)
    return folder


def add_patch(project: Path, name: str, text: str) -> None:
    (project / "patches").mkdir(exist_ok=True)
    (project / "patches" / f"{name}.patch").write_text(text)


def state(project: Path) -> dict[str, bytes]:
    """The files that a patch may change."""
    files = [*(project / "vendor").iterdir(), *(project / "requirements").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def run(project: Path) -> subprocess.CompletedProcess[str]:
    """Run `mlprod-patch` as make does."""
    command = [sys.executable, "requirements/bootstrap.py", "mlprod-patch"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def patched(project: Path) -> Path:
    (wheel,) = (project / "vendor").glob("*+org.*.whl")
    return wheel


def test_library_is_patched_rebuilt_and_pinned_and_a_second_run_changes_nothing(
    project: Path,
) -> None:
    before = state(project)
    released = read_pin(project)
    done = run(project)
    assert done.returncode == 0, done.stderr
    version = f"{released.version}+org.1"
    assert f"mlprod {version} is in vendor/" in done.stdout
    pin = read_pin(project)
    assert (pin.version, pin.released, pin.checksum) == (
        version,
        released.version,
        released.checksum,
    )
    assert (
        f"mlprod=={version} "
        f"--hash=sha256:{hashlib.sha256(patched(project).read_bytes()).hexdigest()}\n" in pin.text
    )
    with zipfile.ZipFile(patched(project)) as archive:
        assert archive.read(FILE).startswith(b'"""Changed by a patch."""')
        assert f"\nVersion: {version}\n".encode() in archive.read(
            f"mlprod-{version}.dist-info/METADATA"
        )
        assert f'VERSION = "{version}"'.encode() in archive.read("mlprod/version.py")
        assert archive.testzip() is None
    after = state(project)
    assert set(after) - set(before) == {patched(project).name}, "the released wheel stays"
    again = run(project)
    assert again.stdout.startswith("nothing to do: ")
    assert state(project) == after
    assert outdated_patches(project) == ""


def test_the_same_patches_give_the_same_bytes(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other"))
    for folder in (project, other):
        apply_patches(folder)
    assert state(project) == state(other)


def test_installer_accepts_the_patched_wheel_by_its_pin(project: Path) -> None:
    apply_patches(project)
    target = project / "installed"
    options = [
        "--no-index",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(target),
        "-r",
        "requirements/mlprod.txt",
    ]
    command = [sys.executable, "-m", "pip", "install", "-q", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (target / FILE).read_text().startswith('"""Changed by a patch."""')


def test_second_patch_raises_the_number_and_no_patch_restores_the_release(
    project: Path,
) -> None:
    before = state(project)
    apply_patches(project)
    add_patch(project, "02-more", NEW_FILE.format(name="mlprod/added.py"))
    assert "does not match patches/. Run make mlprod-patch" in outdated_patches(project)
    apply_patches(project)
    assert read_pin(project).version.endswith("+org.2")
    with zipfile.ZipFile(patched(project)) as archive:
        assert archive.read("mlprod/added.py") == b"ADDED = True\n"
    shutil.rmtree(project / "patches")
    assert "does not match patches/" in outdated_patches(project)
    apply_patches(project)
    assert state(project) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            PATCH.replace(CODE[0][:9], '"""Nobody'),
            rf"02-bad.patch does not fit mlprod \S+: {FILE}: patch does not apply",
        ),
        (
            PATCH.replace("identity", "gone"),
            r"02-bad.patch does not fit mlprod \S+: mlprod/gone.py: No such file",
        ),
        ("", "02-bad.patch does not fit .*No valid patches"),
        (
            NEW_FILE.format(name="other/added.py"),
            "change other/added.py; a patch may only change files below mlprod/",
        ),
        (NEW_FILE.format(name="../outside.py"), "02-bad.patch does not fit .*outside.py"),
    ],
)
def test_patch_that_does_not_fit_is_named_and_changes_nothing(
    text: str, message: str, project: Path
) -> None:
    (project / "patches" / "01-identity.patch").unlink()
    add_patch(project, "02-bad", text)
    before = state(project)
    with pytest.raises(PatchError, match=message):
        apply_patches(project)
    assert state(project) == before
    refused = run(project)
    assert refused.returncode == 1
    assert "PatchError: patches/" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_patch_of_the_metadata_is_refused(project: Path) -> None:
    version = read_pin(project).version
    add_patch(
        project, "02-bad", NEW_FILE.format(name=f"mlprod-{version}.dist-info/entry_points.txt")
    )
    with pytest.raises(
        PatchError, match=r"dist-info/entry_points.txt; a patch may only change files below mlprod/"
    ):
        apply_patches(project)


def test_library_broken_by_a_patch_can_be_patched_again(project: Path) -> None:
    name = "mlprod/commands/start.py"
    start = (LIBRARY / "src" / name).read_text(encoding="utf-8").splitlines(keepends=True)
    broken = difflib.unified_diff(
        start, ["raise SystemExit(9)\n", *start], f"a/{name}", f"b/{name}"
    )
    add_patch(project, "01-identity", "".join(broken))
    assert run(project).returncode == 0
    add_patch(project, "01-identity", PATCH)
    assert run(project).returncode == 0
    assert read_pin(project).version.endswith("+org.2")


def test_library_from_an_index_is_refused_with_the_commands_that_work(project: Path) -> None:
    pin = project / "requirements" / "mlprod.txt"
    pin.write_text(pin.read_text().replace("--find-links ../vendor\n", ""))
    before = state(project)
    with pytest.raises(
        PatchError,
        match=r"takes mlprod from an index.*pip download --no-deps.*then make mlprod-patch",
    ):
        apply_patches(project)
    assert state(project) == before


def test_changed_released_wheel_is_refused(project: Path) -> None:
    apply_patches(project)
    released = project / "vendor" / f"mlprod-{read_pin(project).released}-py3-none-any.whl"
    released.write_bytes(released.read_bytes() + b"x")
    with pytest.raises(
        PatchError,
        match=r"it was changed, requirements/mlprod.txt has another checksum. Works: git",
    ):
        apply_patches(project)
    assert "it was changed" in run(project).stderr


def test_interruption_while_writing_leaves_a_project_that_installs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(project)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "mlprod.txt":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            apply_patches(project)
    assert before.items() <= state(project).items()
    assert not [name for name in state(project) if name.startswith(".mlprod")]
    apply_patches(project)
    assert read_pin(project).version.endswith("+org.1")


def test_patched_wheel_does_not_depend_on_the_project(project: Path) -> None:
    wheel = next((project / "vendor").glob("*.whl"))
    one = patched_wheel(wheel, [project / "patches" / "01-identity.patch"], "9.9.9+org.1")
    assert one == patched_wheel(wheel, [project / "patches" / "01-identity.patch"], "9.9.9+org.1")
