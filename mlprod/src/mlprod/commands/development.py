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
# The paths of the library's tests, which a project does not have, begin with it.
LIBRARY_TESTS = "mlprod/tests/"
# In a JUnit report of pytest.
FAILED_TAGS = {"failure", "error"}
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
    environments.make_environment(folder, project)
    no_index = (
        ["--no-index"]
        if PIN.is_file() and "--find-links" in PIN.read_text(encoding="utf-8")
        else []
    )
    # An installer would keep another wheel of the same version.
    reinstall = ["--force-reinstall", "--no-deps"]
    for what in (
        ["--require-hashes", "-r", str(LOCK)],
        [*reinstall, *no_index, "--require-hashes", "-r", str(PIN)],
        ["--no-deps", "--no-build-isolation", "--editable", "."],
    ):
        if code := environments.install(folder, *what):
            return code
    environments.mark_ready(folder, project)
    return 0


@verb("check")
def check(args: argparse.Namespace) -> int:
    """Check style, types, import rules and generated files."""
    package = args.project.package
    failed = _run_each(
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
        [package, "generate", "--check"],
    )
    errors = [*_unchecked_folders(package), *_renamed_package(package), *_outdated_wheel()]
    errors += [f"failed: {', '.join(failed)}"] if failed else []
    print("\n".join(errors) or "every check passed", file=sys.stderr if errors else sys.stdout)
    _save_results(args.project, {"checks-green": (not errors, None)})
    return 1 if errors else 0


def _unchecked_folders(package: str) -> Iterator[str]:
    """Yield the settings by which a tool passes without checking anything."""
    listed = subprocess.run(
        [*RUFF, "check", "--show-files", "."], capture_output=True, encoding="utf-8", check=False
    )
    paths = [Path(line) for line in listed.stdout.splitlines()]
    for folder in (Path("src", package).resolve(), Path("tests").resolve()):
        if not any(folder in path.parents for path in paths):
            yield (
                f"ruff checked no file of {folder}; check the excludes in [tool.ruff] of "
                f"pyproject.toml"
            )
    if not tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ].get("contracts"):
        yield (
            "lint-imports checked no contract: [tool.importlinter] of pyproject.toml has no "
            "contracts; restore them from the template"
        )


def _renamed_package(package: str) -> Iterator[str]:
    """Yield an error if the package was renamed: the template's updates would not reach it."""
    if LINK.is_file():
        answers = json.loads(LINK.read_text(encoding="utf-8"))["context"]["cookiecutter"]
        if answers.get("package_name", package) != package:
            yield (
                f"{LINK}: package_name is {answers['package_name']}, but the package is {package}; "
                f"write {package}"
            )


def _outdated_wheel() -> Iterator[str]:
    """Yield an error if the pinned wheel does not contain the current patches."""
    from ..ops.patching import outdated_patches

    if reason := outdated_patches(Path.cwd()):
        yield reason


@verb("update")
def update(_: argparse.Namespace) -> int:
    """Update this project from its template; fails if a change has no place here."""
    if problem := _no_template():
        print(problem, file=sys.stderr)
        return 1
    folder, project = Path("var/cruft"), Path.cwd()
    environments.make_environment(folder, project)
    if code := environments.install(folder, CRUFT):
        return code
    environments.mark_ready(folder, project)
    # It runs in the environment of cruft alone, not in this one.
    script = Path(__file__).parents[1] / "ops" / "template_update.py"
    command = [str(environments.python_of(folder)), "-P", str(script)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, check=False).returncode


def _no_template() -> str:
    """Return why no update can arrive; empty if the template can be reached."""
    if not LINK.is_file():
        return (
            f"this project has no {LINK}, so no update arrives. It was baked without a link to its "
            f"template. Works: cruft link URL-OF-THE-TEMPLATE, then commit {LINK}"
        )
    template = json.loads(LINK.read_text(encoding="utf-8"))["template"]
    if re.search(r"[:@]", template) or Path(template, ".git").exists():
        return ""
    return (
        f"{LINK}: template is {template}, a folder that is not here, so no update arrives. Works: "
        f'"template": "https://HOST/YOUR-ORG/ml-prod-template"'
    )


@verb("format")
def format_code(_: argparse.Namespace) -> int:
    """Format the code as `check` requires."""
    # Twice: the first run shortens lines that the check would report, the second formats its fixes.
    subprocess.run([*RUFF, "format", "--quiet", "."], check=False)
    return _run(["ruff", "check", "--fix", "."], ["ruff", "format", "."])


@verb(
    "test",
    option("rest", nargs="*", help="arguments of pytest; without any, the result becomes evidence"),
)
def test(args: argparse.Namespace) -> int:
    """Run the project's tests."""
    if args.rest:
        # A selection of the tests is not evidence.
        return _run(["pytest", *args.rest])
    # Only the whole test suite is evidence.
    os.environ.pop("PYTEST_ADDOPTS", None)
    code, _, _ = _run_tests()
    _save_results(args.project, _results_by_check(code == 0))
    return code


@verb("chaos-test")
def chaos_test(args: argparse.Namespace) -> int:
    """Inject faults into a service: kill -9, database outage, full disk, overload, fuzzing."""
    # Only the whole test suite is evidence.
    os.environ.pop("PYTEST_ADDOPTS", None)
    code, passed, skipped = _run_tests("-m", "faults and not soak", "--pyargs", FAULTS)
    _save_results(
        args.project,
        {"survives-faults": (code == 0 and not skipped, f"{passed} passed, {skipped} skipped")},
    )
    return code


@verb("load-test", option("--minutes", type=float, default=30, help="default: %(default)s"))
def load_test(args: argparse.Namespace) -> int:
    """Load the service steadily; memory, latency and open files must stay flat."""
    os.environ["SOAK_MINUTES"] = str(args.minutes)
    code, _, _ = _run_tests("-m", "soak", "-s", "--pyargs", FAULTS)
    message = f"{args.minutes:g} minutes; 30 are required"
    _save_results(args.project, {"slo-under-load": (code == 0 and args.minutes >= 30, message)})
    return code


def _run_tests(*parts: str) -> tuple[int, int, int]:
    """Run tests; return the exit code, and the numbers of passed and skipped tests.

    The exit code is not 0 if no test ran to its end.
    """
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.unlink(missing_ok=True)
    code = _run(["pytest", *parts, f"--junitxml={REPORT}"])
    cases = _cases()
    passed, skipped = len(_passed(cases)), sum(case.find("skipped") is not None for case in cases)
    if not passed:
        print(
            f"this run is not evidence: none of {len(cases)} tests ran to its end", file=sys.stderr
        )
    return (code if passed else 1), passed, skipped


def _cases() -> list[ElementTree.Element]:
    """Return the tests in the report of the last run."""
    return list(ElementTree.parse(REPORT).iter("testcase")) if REPORT.is_file() else []  # noqa: S314


def _passed(cases: list[ElementTree.Element]) -> list[ElementTree.Element]:
    return [
        case for case in cases if not any(child.tag in {*FAILED_TAGS, "skipped"} for child in case)
    ]


def _results_by_check(green: bool) -> "dict[str, tuple[bool, str | float | None]]":
    """Return the results of the whole test suite by check.

    Some checks depend on the tests of certain files only.
    """
    from ..governance.check_catalogue import catalogue
    from ..installation.installed import read_library

    if not REPORT.is_file():
        return {"tests-green": (False, "pytest wrote no report")}
    cases, library = _cases(), read_library(Path())
    counted = (
        f"{len(cases)} tests" if _passed(cases) else f"none of {len(cases)} tests ran to its end"
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
    """Return whether the project's tests of these files passed, and a summary."""
    starts = tuple(f"{path.removesuffix('.py').replace('/', '.')}." for path in paths)
    mine = [case for case in cases if f"{case.get('classname')}.".startswith(starts)]
    passed, failed = (
        _passed(mine),
        [case for case in mine if any(child.tag in FAILED_TAGS for child in case)],
    )
    return bool(passed) and not failed, f"{len(passed)} tests, {len(failed)} failed"


def _save_results(project: "Project", result: "dict[str, tuple[bool, str | float | None]]") -> None:
    """Write evidence.

    An error, for example an unavailable registry, is reported and does not change the exit code.
    """
    from ..training.evidence_store import digests, finding, write_evidence
    from ..training.registry import Registry

    try:
        settings = project.settings()
        subject = digests(settings, project.seam())
        write_evidence(
            Registry(settings),
            [finding(id, passed, subject, value) for id, (passed, value) in result.items()],
        )
    except Exception as error:
        print(f"no evidence was recorded: {error}", file=sys.stderr)


def _run(*tools: list[str]) -> int:
    """Run each tool of this environment; return 1 if one fails."""
    return 1 if _run_each(*tools) else 0


def _run_each(*tools: list[str]) -> list[str]:
    """Run each tool of this environment, even after a failure; return those that failed."""
    failed = []
    for tool in tools:
        command = LINT_IMPORTS if tool == ["lint-imports"] else [sys.executable, "-m", *tool]
        print("$", text := " ".join(tool), flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(text)
    return failed
