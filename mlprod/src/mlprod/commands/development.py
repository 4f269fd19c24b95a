"""Verbs of development. Standard library only, since `setup` runs before anything is installed."""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..installation import environments
from .verb import option, verb

if TYPE_CHECKING:
    from ..project.project import Project

REPORT = Path("var/tests.xml")
LOCK, PIN = Path("requirements/dev.txt"), Path("requirements/mlprod.txt")
LINK = Path(".cruft.json")
CRUFT = "cruft==2.16.0"
FAULTS = "mlprod.testing.faults"
LIBRARY_TESTS = "mlprod/tests/"  # begins the paths of tests that a project does not have
BAD = {"failure", "error"}  # in a report of pytest
RUFF = [sys.executable, "-m", "ruff"]
LINT_IMPORTS = [
    sys.executable,
    "-c",
    "from importlinter.cli import lint_imports_command; lint_imports_command()",
]


@verb("setup")
def setup(_: argparse.Namespace) -> int:
    """Create .venv with the locked packages, or repair it after the folder was moved."""
    folder, project = Path(os.environ.get("VENV", ".venv")), Path.cwd()
    environments.make(folder, project)
    near = (
        ["--no-index"]
        if PIN.is_file() and "--find-links" in PIN.read_text(encoding="utf-8")
        else []
    )
    again = [
        "--force-reinstall",
        "--no-deps",
    ]  # of one version with other bytes an installer says that it is there
    for what in (
        ["--require-hashes", "-r", str(LOCK)],
        [*again, *near, "--require-hashes", "-r", str(PIN)],
        ["--no-deps", "--no-build-isolation", "--editable", "."],
    ):
        if code := environments.install(folder, *what):
            return code
    environments.finish(folder, project)
    return 0


@verb("check")
def check(args: argparse.Namespace) -> int:
    """Check style, types, import rules and generated files."""
    code = _run(
        ["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]
    )
    code |= _run([args.project.package, "generate", "--check"])
    package = args.project.package
    for line in (errors := [*_unlooked(package), *_unlinked(package), *_unpatched()]):
        print(line, file=sys.stderr)
    code |= bool(errors)
    _keep(args.project, {"checks-green": (code == 0, None)})
    return code


def _unlooked(package: str) -> Iterator[str]:
    """What makes a tool green because it looked at nothing."""
    listed = subprocess.run(
        [*RUFF, "check", "--show-files", "."], capture_output=True, encoding="utf-8", check=False
    )
    paths = [Path(line) for line in listed.stdout.splitlines()]
    for folder in (Path("src", package).resolve(), Path("tests").resolve()):
        if not any(folder in path.parents for path in paths):
            yield f"ruff looked at no file of {folder}: what does [tool.ruff] of pyproject.toml leave out?"
    if not tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ].get("contracts"):
        yield "lint-imports held no contract against the imports: [tool.importlinter] of pyproject.toml has none"


def _unlinked(package: str) -> Iterator[str]:
    """A package that was renamed gets no change of the template until the link knows its new name."""
    if LINK.is_file():
        answers = json.loads(LINK.read_text(encoding="utf-8"))["context"]["cookiecutter"]
        if answers.get("package_name", package) != package:
            yield f"{LINK}: package_name is {answers['package_name']}, but the package is {package}; write {package}"


def _unpatched() -> Iterator[str]:
    """An edited patch has no effect until the wheel was made of it."""
    from ..ops.patching import outdated_patches

    if reason := outdated_patches(Path.cwd()):
        yield reason


@verb("update")
def update(_: argparse.Namespace) -> int:
    """Update this project from its template; fails if a change has no place here."""
    if not LINK.is_file() or not re.search(
        r"[:@]", json.loads(LINK.read_text(encoding="utf-8"))["template"]
    ):
        print(f"nothing to do: no {LINK} with the template's URL")
        return 0
    folder, project = Path("var/cruft"), Path.cwd()
    environments.make(folder, project)
    if code := environments.install(folder, CRUFT):
        return code
    environments.finish(folder, project)
    script = (
        Path(__file__).parents[1] / "ops" / "template_update.py"
    )  # beside cruft alone, not beside this environment
    command = [str(environments.python_of(folder)), "-P", str(script)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, check=False).returncode


@verb("format")
def format_code(_: argparse.Namespace) -> int:
    """Format the code as `check` requires."""
    return _run(["ruff", "check", "--fix", "."], ["ruff", "format", "."])


@verb(
    "test",
    option("rest", nargs="*", help="arguments of pytest; without any, the result becomes evidence"),
)
def test(args: argparse.Namespace) -> int:
    """Run the project's tests."""
    if args.rest:
        return _run(["pytest", *args.rest])  # some of them: no evidence of all
    os.environ.pop("PYTEST_ADDOPTS", None)  # all of them, or it is no evidence
    code, _, _ = _reported()
    _keep(args.project, _topics(code == 0))
    return code


@verb("chaos-test")
def chaos_test(args: argparse.Namespace) -> int:
    """Inject faults into a running service: kill -9, database outage, full disk, overload, fuzzing."""
    os.environ.pop("PYTEST_ADDOPTS", None)  # all of them, or it is no evidence
    code, passed, skipped = _reported("-m", "faults and not soak", "--pyargs", FAULTS)
    _keep(
        args.project,
        {"survives-faults": (code == 0 and not skipped, f"{passed} passed, {skipped} skipped")},
    )
    return code


@verb("load-test", option("--minutes", type=float, default=30, help="default: %(default)s"))
def load_test(args: argparse.Namespace) -> int:
    """Load the service steadily; memory, latency and open files must stay flat."""
    os.environ["SOAK_MINUTES"] = str(args.minutes)
    code, _, _ = _reported("-m", "soak", "-s", "--pyargs", FAULTS)
    message = f"{args.minutes:g} minutes, 30 are asked for"
    _keep(args.project, {"slo-under-load": (code == 0 and args.minutes >= 30, message)})
    return code


def _reported(*parts: str) -> tuple[int, int, int]:
    """Run tests; gives the exit code, which is 1 when none was run to its end, and how many passed
    and were skipped.
    """
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.unlink(missing_ok=True)
    code = _run(["pytest", *parts, f"--junitxml={REPORT}"])
    cases = _cases()
    passed, skipped = len(_passed(cases)), sum(case.find("skipped") is not None for case in cases)
    if not passed:
        print(f"nothing was shown: none of {len(cases)} tests was run to its end", file=sys.stderr)
    return (code if passed else 1), passed, skipped


def _cases() -> list[ElementTree.Element]:
    """The tests of the report that pytest wrote just now."""
    return list(ElementTree.parse(REPORT).iter("testcase")) if REPORT.is_file() else []  # noqa: S314


def _passed(cases: list[ElementTree.Element]) -> list[ElementTree.Element]:
    return [case for case in cases if not any(child.tag in {*BAD, "skipped"} for child in case)]


def _topics(green: bool) -> "dict[str, tuple[bool, str | float | None]]":
    """What a whole run of the tests shows, by check: all of it, and for some checks the tests of
    certain files.
    """
    from ..governance.check_catalogue import catalogue
    from ..installation.installed import read_library

    if not REPORT.is_file():
        return {"tests-green": (False, "no report was written")}
    cases, library = _cases(), read_library(Path())
    counted = (
        f"{len(cases)} tests"
        if _passed(cases)
        else f"none of {len(cases)} tests was run to its end"
    )
    result: dict[str, tuple[bool, str | float | None]] = {"tests-green": (green, counted)}
    for entry in catalogue().checks:
        own = tuple(path for path in entry.tests if not path.startswith(LIBRARY_TESTS))
        if own:
            result[entry.id] = _shown_by(own, cases)
        elif entry.tests:
            count = library.count_passed(entry.tests)
            result[entry.id] = (count > 0, f"{count} tests of {library.tested_release}")
    return result


def _shown_by(paths: tuple[str, ...], cases: list[ElementTree.Element]) -> tuple[bool, str]:
    """Whether the project's tests of these files passed, and how many."""
    starts = tuple(f"{path.removesuffix('.py').replace('/', '.')}." for path in paths)
    mine = [case for case in cases if f"{case.get('classname')}.".startswith(starts)]
    passed, failed = (
        _passed(mine),
        [case for case in mine if any(child.tag in BAD for child in case)],
    )
    return bool(passed) and not failed, f"{len(passed)} tests, {len(failed)} failed"


def _keep(project: "Project", result: "dict[str, tuple[bool, str | float | None]]") -> None:
    """Write evidence.

    Whatever stands in its way, such as a registry that is away, the result stays.
    """
    from ..training.evidence_store import digests, finding, write
    from ..training.registry import Registry

    try:
        settings = project.settings()
        subject = digests(settings, project.seam())
        write(
            Registry(settings),
            [finding(id, passed, subject, value) for id, (passed, value) in result.items()],
        )
    except Exception as error:
        print(f"no evidence was kept: {error}", file=sys.stderr)


def _run(*tools: list[str]) -> int:
    """Run each tool of this environment; all are run, so that one look shows everything."""
    failed = 0
    for tool in tools:
        command = LINT_IMPORTS if tool == ["lint-imports"] else [sys.executable, "-m", *tool]
        print("$", " ".join(tool), flush=True)
        failed |= subprocess.run(command, check=False).returncode
    return 1 if failed else 0
