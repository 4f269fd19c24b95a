"""Gates of development are not green when nothing was looked at."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import PACKAGE, PROJECT, main

from mlprod.commands import development

Kept = dict[str, tuple[bool, str | float | None]]


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
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """The evidence that a command keeps."""
    result: Kept = {}
    monkeypatch.setattr(development, "_keep", lambda _, more: result.update(more))
    return result


@pytest.fixture
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that find nothing wrong."""
    monkeypatch.setattr(development, "_run", lambda *_: 0)


def test_a_check_of_every_file_is_green(project: Path, green: None, kept: Kept) -> None:
    assert main(["check"]) == 0
    assert kept["checks-green"][0]


def test_a_check_looks_at_files_that_a_repository_around_ignores(
    project: Path, green: None, kept: Kept
) -> None:
    subprocess.run([str(shutil.which("git")), "init", "-q"], check=True)
    (project / ".gitignore").write_text("*\n")
    assert main(["check"]) == 0
    (project / "tests" / "test_nothing.py").write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_a_check_of_no_file_is_not_green(
    folder: str, project: Path, green: None, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace("extend-exclude = [", f'extend-exclude = ["{folder}", ')
    )
    assert main(["check"]) == 1
    assert f"ruff looked at no file of {project / folder}" in capsys.readouterr().err
    assert not kept["checks-green"][0]


def test_a_check_of_imports_without_a_contract_is_not_green(
    project: Path, green: None, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().partition("[[tool.importlinter.contracts]]")[0])
    assert main(["check"]) == 1
    assert "held no contract against the imports" in capsys.readouterr().err


def test_a_package_that_the_template_does_not_know_is_told(
    project: Path, green: None, kept: Kept, capsys: pytest.CaptureFixture[str]
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


def test_a_patch_without_its_wheel_is_named(
    project: Path, green: None, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("requirements", "vendor"):
        shutil.copytree(PROJECT / folder, project / folder)
    (project / "patches").mkdir()
    (project / "patches" / "01.patch").write_text(
        "--- /dev/null\n+++ b/mlprod/added.py\n@@ -0,0 +1 @@\n+ADDED = True\n"
    )
    assert main(["check"]) == 1
    assert "is not that of patches/. Run make mlprod-patch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cases", "code", "says"),
    [
        ('<testcase classname="tests.test_a" name="a"/>', 0, "1 tests"),
        (
            '<testcase classname="tests.test_a" name="a"><skipped/></testcase>',
            1,
            "none of 1 tests was run to its end",
        ),
        ("", 1, "none of 0 tests was run to its end"),
    ],
)
def test_tests_of_which_none_was_run_show_nothing(
    cases: str, code: int, says: str, project: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> int:
        development.REPORT.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        return 0

    monkeypatch.setattr(development, "_run", run)
    assert main(["test"]) == code
    assert kept["tests-green"] == (code == 0, says)


@pytest.mark.parametrize(
    ("verb", "check"),
    [(["chaos-test"], "survives-faults"), (["load-test", "--minutes", "30"], "slo-under-load")],
)
@pytest.mark.parametrize("skipped", [True, False])
def test_faults_and_load_that_were_skipped_show_nothing(
    skipped: bool,
    verb: list[str],
    check: str,
    project: Path,
    kept: Kept,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object) -> int:
        case = f'<testcase classname="a" name="a">{"<skipped/>" * skipped}</testcase>'
        development.REPORT.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
        return 0

    monkeypatch.setattr(development, "_run", run)
    assert main(verb) == int(skipped)
    assert kept[check][0] is not skipped


def test_a_test_without_cases_is_no_test(project: Path) -> None:
    text = "import pytest\n@pytest.mark.parametrize('case', [])\ndef test_each(case): pass\n"
    (project / "tests" / "test_nothing.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "test_each" in done.stdout


def test_without_a_link_to_the_template_there_is_nothing_to_update(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update"]) == 0
    assert "nothing to do" in capsys.readouterr().out
