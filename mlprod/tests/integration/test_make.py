"""The Makefile passes typed values in order and unchanged to this folder's code."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fixture_project import PACKAGE

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(
    MAKE is None or os.name == "nt", reason="make is not on this machine"
)
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
    """A project with a Makefile only, whose Python writes down its arguments."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copy("Makefile", path)
        for file in (
            f"src/{PACKAGE}/__main__.py",
            "requirements/dev.txt",
            "pyproject.toml",
            "deploy/images.sh",
        ):
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).touch()
        (path / "deploy" / "images.sh").write_text('printf "%s\\0" "$@"\n')
        self.python = self._program("python")
        self._program(".venv/bin/python")
        (path / ".venv" / "ready").touch()

    def _program(self, name: str) -> Path:
        program = self.path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(
            '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\nprintf "%s\\0" "in '
            '$PYTHONPATH"\n'
        )
        program.chmod(0o755)
        return program

    def make(self, *arguments: str, **environment: str) -> list[str]:
        """Return the arguments of the Python calls."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return [
            word
            for word in done.stdout.split("\0")[:-1]
            if word not in ("-m", f"in {self.path}/src")
        ]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")
        }
        command = [str(MAKE), "--silent", f"PYTHON={self.python}", *arguments]
        known |= environment
        return subprocess.run(
            command, cwd=self.path, env=known, capture_output=True, text=True, check=False
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "project"
    path.mkdir()
    return Folder(path.resolve())


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    ("target", "variable", "option"),
    [
        ("promote", "REASON", "--reason"),
        ("promote", "VERSION", "--version"),
        ("promote", "ENVIRONMENT", "--environment"),
        ("rollback", "URL", "--url"),
        ("retrain", "TRIGGER", "--trigger"),
        ("retrain", "DAYS", "--days"),
        ("tune", "TRIALS", "--trials"),
        ("load-test", "MINUTES", "--minutes"),
        ("score", "INPUT", "--input"),
        ("score", "SINCE", "--since"),
        ("score", "OUTPUT", "--output"),
        ("set-mode", "MODE", "set-mode"),
        ("create-key", "NAME", "--name"),
        ("create-key", "ROLE", "--role"),
        ("alert-drill", "DURATION", "--duration"),
        ("drift", "HOURS", "--hours"),
        ("deploy", "IMAGES", "--images"),
        ("smoke-test", "URL", "--url"),
        ("kill-switch-drill", "URL", "--url"),
        ("test-image", "IMAGE", "--name"),
        ("image", "IMAGE", "--name"),
        ("image", "BASE", "--base"),
        ("readiness", "FORMAT", "--format"),
        ("advance-stage", "STAGE", "advance-stage"),
        ("attest", "CHECK", "--check"),
    ],
)
def test_what_was_typed_arrives_as_it_was_typed(
    target: str, variable: str, option: str, typed: str, folder: Folder
) -> None:
    parts = folder.make(target, f"{variable}={typed}")
    assert parts[parts.index(option) + 1] == typed
    assert not list(folder.path.rglob("run-by-*"))


@pytest.mark.parametrize("typed", TYPED)
def test_a_reason_of_the_environment_arrives_as_well(typed: str, folder: Folder) -> None:
    assert folder.make("promote", REASON=typed)[-1] == typed
    assert folder.make("image-archives", f"IMAGE={typed}") == ["archive", typed]
    assert not list(folder.path.rglob("run-by-*"))


def test_a_variable_that_no_target_reads_is_not_executed(folder: Folder) -> None:
    folder.make("list-versions", "COMMENT=$(shell touch run-by-make)", "DRY_RUN=yes")
    assert not list(folder.path.rglob("run-by-*"))


def test_a_switch_is_yes_or_left_out(folder: Folder) -> None:
    assert folder.make("score", "DRY_RUN=yes") == [PACKAGE, "score", "--dry-run"]
    assert folder.make("score", "UPCOMING=yes") == [PACKAGE, "score", "--upcoming"]
    assert folder.make("score") == folder.make("score", "DRY_RUN=") == [PACKAGE, "score"]
    refused = folder.run("rollback-drill", "UNATTENDED=no")
    assert refused.returncode != 0
    assert "UNATTENDED=no cannot be used; works: UNATTENDED=yes" in refused.stderr


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    ("parts", "passed"),
    [
        (("promote", "WHY"), ["promote", "--reason"]),
        (("validate", "TABLE"), ["validate", "--input"]),
        (("smoke", "URL"), ["smoke", "--url"]),
        (("alert-drill", "HOLD"), ["alert-drill", "--duration"]),
    ],
)
def test_an_old_name_of_a_target_or_variable_still_works(
    parts: tuple[str, str], passed: list[str], typed: str, folder: Folder
) -> None:
    target, variable = parts
    assert folder.make(target, f"{variable}={typed}") == [PACKAGE, *passed, typed]
    assert not list(folder.path.rglob("run-by-*"))


def test_help_lists_every_day_targets_in_five_groups(folder: Folder) -> None:
    lines = folder.run("help").stdout.splitlines()
    assert [line for line in lines if line.isalpha()] == [
        "develop",
        "train",
        "serve",
        "operate",
        "govern",
    ]
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert 20 <= len(listed) <= 26
    assert all(len(line) <= 120 for line in lines)


def test_an_update_installs_generates_and_checks(folder: Folder) -> None:
    def verbs(*parts: str) -> list[str]:
        return [
            word
            for word in folder.make("update", *parts)
            if word != PACKAGE and not word.startswith("in ")
        ]

    assert verbs() == ["update", "generate", "check"]
    assert verbs("SKIP_CHECK=yes") == ["update", "generate"]


def test_patches_are_applied_by_the_wheel_before_anything_is_installed(folder: Folder) -> None:
    shutil.rmtree(folder.path / ".venv")
    assert folder.make("mlprod-patch") == ["requirements/bootstrap.py", "mlprod-patch"]


def test_targets_run_in_order_even_with_parallel_make(folder: Folder) -> None:
    script = '#!/bin/sh\necho "begin $3"\nsleep 0.3\necho "end $3"\n'
    (folder.path / ".venv" / "bin" / "python").write_text(script)
    lines = folder.run("-j4", "train", "promote", "REASON=it is time").stdout.splitlines()
    assert lines == ["begin train", "end train", "begin promote", "end promote"]
    ci = folder.run("-j4", "ci").stdout.splitlines()
    assert ci == [
        f"{state} {verb}"
        for verb in ("check", "check-licenses", "scan-secrets", "test")
        for state in ("begin", "end")
    ]


def test_this_folders_code_comes_before_what_pythonpath_names(folder: Folder) -> None:
    done = folder.run("list-versions", PYTHONPATH="/another/project/src")
    assert done.stdout.split("\0")[-2] == f"in {folder.path}/src:/another/project/src"


def test_an_environment_that_was_moved_or_copied_is_set_up_again(folder: Folder) -> None:
    ready = folder.path / ".venv" / "ready"
    ready.write_text(f"{folder.path}\n")
    assert folder.make("list-versions") == [PACKAGE, "list-versions"]
    ready.write_text("/somewhere/before\n")
    assert folder.make("list-versions") == ["requirements/bootstrap.py", PACKAGE, "list-versions"]


def test_an_environment_whose_python_is_gone_is_set_up_again(folder: Folder) -> None:
    python = folder.path / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    done = folder.run("list-versions")
    assert done.stdout.split("\0")[0] == "requirements/bootstrap.py"
