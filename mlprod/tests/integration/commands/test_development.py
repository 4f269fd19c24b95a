"""Checks of development fail if a tool checked nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import PACKAGE, PROJECT, main

from mlprod.commands import development

Recorded = dict[str, tuple[bool, str | float | None]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two files and this project's settings of the tools."""
    shutil.copy("pyproject.toml", tmp_path)
    for folder in (tmp_path / "src" / PACKAGE, tmp_path / "tests"):
        folder.mkdir(parents=True)
        (folder / "test_nothing.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """The evidence that a command records."""
    result: Recorded = {}
    monkeypatch.setattr(development, "_save_results", lambda _, more: result.update(more))
    return result


@pytest.fixture
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that report no error."""
    monkeypatch.setattr(development, "_run_each", lambda *_: [])


def test_check_of_every_file_passes(project: Path, green: None, recorded: Recorded) -> None:
    assert main(["check"]) == 0
    assert recorded["checks-green"][0]


def test_check_includes_files_that_an_outer_repository_ignores(
    project: Path, green: None, recorded: Recorded
) -> None:
    subprocess.run([str(shutil.which("git")), "init", "-q"], check=True)
    (project / ".gitignore").write_text("*\n")
    assert main(["check"]) == 0
    (project / "tests" / "test_nothing.py").write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


def test_check_names_what_failed_in_its_last_line(
    project: Path,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(development, "_run_each", lambda *_: ["mypy", "lint-imports"])
    assert main(["check"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "failed: mypy, lint-imports"
    assert not recorded["checks-green"][0]


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_check_of_no_file_fails(
    folder: str, project: Path, green: None, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace("extend-exclude = [", f'extend-exclude = ["{folder}", ')
    )
    assert main(["check"]) == 1
    assert f"ruff checked no file of {project / folder}" in capsys.readouterr().err
    assert not recorded["checks-green"][0]


def test_check_without_an_import_contract_fails(
    project: Path, green: None, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().partition("[[tool.importlinter.contracts]]")[0])
    assert main(["check"]) == 1
    assert "lint-imports checked no contract" in capsys.readouterr().err


def test_renamed_package_that_the_link_does_not_name_fails(
    project: Path, green: None, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    link = {
        "template": "https://git.example.org/template",
        "context": {"cookiecutter": {"package_name": "before"}},
    }
    (project / ".cruft.json").write_text(json.dumps(link))
    assert main(["check"]) == 1
    assert (
        f".cruft.json: package_name is before, but the package is {PACKAGE}"
        in capsys.readouterr().err
    )


def test_patch_without_its_wheel_fails(
    project: Path, green: None, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("requirements", "vendor"):
        shutil.copytree(PROJECT / folder, project / folder)
    (project / "patches").mkdir()
    (project / "patches" / "01.patch").write_text(
        "--- /dev/null\n+++ b/mlprod/added.py\n@@ -0,0 +1 @@\n+ADDED = True\n"
    )
    assert main(["check"]) == 1
    assert "does not match patches/. Run make mlprod-patch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cases", "code", "says"),
    [
        ('<testcase classname="tests.test_a" name="a"/>', 0, "1 tests"),
        (
            '<testcase classname="tests.test_a" name="a"><skipped/></testcase>',
            1,
            "none of 1 tests ran to its end",
        ),
        ("", 1, "none of 0 tests ran to its end"),
    ],
)
def test_test_run_without_a_completed_test_fails(
    cases: str,
    code: int,
    says: str,
    project: Path,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object) -> list[str]:
        development.REPORT.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        return []

    monkeypatch.setattr(development, "_run_each", run)
    assert main(["test"]) == code
    assert recorded["tests-green"] == (code == 0, says)


@pytest.mark.parametrize(
    ("verb", "check"),
    [(["chaos-test"], "survives-faults"), (["load-test", "--minutes", "30"], "slo-under-load")],
)
@pytest.mark.parametrize("skipped", [True, False])
def test_skipped_chaos_and_load_tests_fail(
    skipped: bool,
    verb: list[str],
    check: str,
    project: Path,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object) -> list[str]:
        case = f'<testcase classname="a" name="a">{"<skipped/>" * skipped}</testcase>'
        development.REPORT.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
        return []

    monkeypatch.setattr(development, "_run_each", run)
    assert main(verb) == int(skipped)
    assert recorded[check][0] is not skipped


def test_parametrized_test_without_cases_fails(project: Path) -> None:
    text = "import pytest\n@pytest.mark.parametrize('case', [])\ndef test_item(case): pass\n"
    (project / "tests" / "test_nothing.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "test_item" in done.stdout


@pytest.mark.parametrize(
    ("link", "part"),
    [
        (None, "this project has no .cruft.json"),
        ("/no/such/checkout", "template is /no/such/checkout, a folder that is not here"),
    ],
)
def test_update_that_no_template_can_reach_fails_and_names_the_remedy(
    link: str | None, part: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if link:
        Path(".cruft.json").write_text(json.dumps({"template": link}))
    assert main(["update"]) == 1
    message = capsys.readouterr().err
    assert part in message
    assert "so no update arrives" in message
