"""The Makefile hands over what was typed, in order, to this folder's code."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fixture_project import PACKAGE

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None or os.name == "nt", reason="make is not on this machine")
TYPED = [
    "saves $500 a month",
    "$(shell touch run-by-make)",
    "${HOME} $$ $HOME $(HOME)",
    "a `touch run-by-a-shell` b $(touch run-by-a-shell)",
    "it's \"quoted\" 'twice' \\ and more\\",
    "a; touch run-by-a-shell & # no comment",
    "two\nlines $(shell touch run-by-make)",
    "100 % {x} * ? [a] ~ ! = : | < >",
    "größer → 😀",
    "--looks-like an option",
]


class Folder:
    """A project of a Makefile alone, whose Python writes down what it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copy("Makefile", path)
        for file in (f"src/{PACKAGE}/__main__.py", "requirements/dev.txt", "pyproject.toml", "deploy/images.sh"):
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).touch()
        (path / "deploy" / "images.sh").write_text('printf "%s\\0" "$@"\n')
        self.python = self._program("python")
        self._program(".venv/bin/python")
        (path / ".venv" / "ready").touch()

    def _program(self, name: str) -> Path:
        program = self.path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\nprintf "%s\\0" "in $PYTHONPATH"\n')
        program.chmod(0o755)
        return program

    def make(self, *words: str, **environment: str) -> list[str]:
        """What the Pythons were asked, word by word."""
        done = self.run(*words, **environment)
        assert done.returncode == 0, done.stderr
        return [word for word in done.stdout.split("\0")[:-1] if word not in ("-m", f"in {self.path}/src")]

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
        command = [str(MAKE), "--silent", f"PYTHON={self.python}", *words]
        known |= environment
        return subprocess.run(command, cwd=self.path, env=known, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "project"
    path.mkdir()
    return Folder(path.resolve())


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    ("target", "variable", "option"),
    [
        ("promote", "WHY", "--why"),
        ("promote", "VERSION", "--version"),
        ("promote", "ENVIRONMENT", "--environment"),
        ("rollback", "URL", "--url"),
        ("retrain", "BECAUSE", "--because"),
        ("retrain", "DAYS", "--days"),
        ("tune", "TRIALS", "--trials"),
        ("soak", "MINUTES", "--minutes"),
        ("score", "TABLE", "--table"),
        ("score", "SINCE", "--since"),
        ("score", "TO", "--to"),
        ("mode", "MODE", "mode"),
        ("key", "NAME", "--name"),
        ("key", "ROLE", "--role"),
        ("alert-drill", "HOLD", "--hold"),
        ("drift", "HOURS", "--hours"),
        ("deploy", "IMAGES", "--images"),
        ("image", "IMAGE", "--name"),
        ("image", "BASE", "--base"),
        ("readiness", "FORMAT", "--format"),
        ("stage", "STAGE", "stage"),
        ("attest", "CHECK", "--check"),
    ],
)
def test_what_was_typed_arrives_as_it_was_typed(
    target: str, variable: str, option: str, typed: str, folder: Folder
) -> None:
    words = folder.make(target, f"{variable}={typed}")
    assert words[words.index(option) + 1] == typed
    assert not list(folder.path.rglob("run-by-*"))


@pytest.mark.parametrize("typed", TYPED)
def test_a_reason_of_the_environment_arrives_as_well(typed: str, folder: Folder) -> None:
    assert folder.make("promote", WHY=typed)[-1] == typed
    assert folder.make("image-archives", f"IMAGE={typed}") == ["archive", typed]
    assert not list(folder.path.rglob("run-by-*"))


def test_a_variable_that_no_target_reads_is_not_run_either(folder: Folder) -> None:
    folder.make("versions", "COMMENT=$(shell touch run-by-make)", "TRIAL=yes")
    assert not list(folder.path.rglob("run-by-*"))


def test_a_switch_is_yes_or_left_out(folder: Folder) -> None:
    assert folder.make("score", "TRIAL=yes") == [PACKAGE, "score", "--trial"]
    assert folder.make("score") == folder.make("score", "TRIAL=") == [PACKAGE, "score"]
    refused = folder.run("rollback-drill", "UNATTENDED=no")
    assert refused.returncode != 0
    assert "UNATTENDED=no cannot be used; works: UNATTENDED=yes" in refused.stderr


def test_an_update_installs_generates_and_checks(folder: Folder) -> None:
    def verbs(*words: str) -> list[str]:
        return [word for word in folder.make("update", *words) if word != PACKAGE and not word.startswith("in ")]

    assert verbs() == ["update", "generate", "check"]
    assert verbs("UNCHECKED=yes") == ["update", "generate"]


def test_patches_are_applied_by_the_wheel_before_anything_is_installed(folder: Folder) -> None:
    shutil.rmtree(folder.path / ".venv")
    assert folder.make("mlprod-patch") == ["requirements/bootstrap.py", "mlprod-patch"]


def test_targets_follow_each_other_whatever_make_is_told(folder: Folder) -> None:
    script = '#!/bin/sh\necho "begin $3"\nsleep 0.3\necho "end $3"\n'
    (folder.path / ".venv" / "bin" / "python").write_text(script)
    lines = folder.run("-j4", "train", "promote", "WHY=it is time").stdout.splitlines()
    assert lines == ["begin train", "end train", "begin promote", "end promote"]
    ci = folder.run("-j4", "ci").stdout.splitlines()
    assert ci == [f"{state} {verb}" for verb in ("check", "licences", "secrets", "test") for state in ("begin", "end")]


def test_this_folders_code_comes_before_what_pythonpath_names(folder: Folder) -> None:
    done = folder.run("versions", PYTHONPATH="/another/project/src")
    assert done.stdout.split("\0")[-2] == f"in {folder.path}/src:/another/project/src"


def test_an_environment_that_was_moved_or_copied_is_set_up_again(folder: Folder) -> None:
    ready = folder.path / ".venv" / "ready"
    ready.write_text(f"{folder.path}\n")
    assert folder.make("versions") == [PACKAGE, "versions"]
    ready.write_text("/somewhere/before\n")
    assert folder.make("versions") == ["requirements/bootstrap.py", PACKAGE, "versions"]


def test_an_environment_whose_python_is_gone_is_set_up_again(folder: Folder) -> None:
    python = folder.path / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    done = folder.run("versions")
    assert done.stdout.split("\0")[0] == "requirements/bootstrap.py"
