"""Verbs of development. Standard library only, since `setup` runs before anything is installed."""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from xml.etree import ElementTree

PACKAGE = __name__.partition(".")[0]
REPORT = Path("var/tests.xml")
LOCK = Path("requirements/dev.txt")
OLDEST, NEWEST = (3, 11), (3, 13)


def setup(_: argparse.Namespace) -> int:
    """make .venv with the locked packages (uv if present, else pip)"""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        print(
            f"Python {sys.version.split()[0]} is not covered by the lock (3.11 to 3.13): make setup PYTHON=python3.13"
        )
        return 1
    folder = Path(os.environ.get("VENV", ".venv"))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv = shutil.which("uv")
    if not (folder / "ready").exists():  # new, or left half made
        print(f"making {folder} with Python {sys.version.split()[0]}", flush=True)
        venv.create(folder, with_pip=not uv, clear=True)
    elif not uv:
        subprocess.run([str(python), "-m", "ensurepip", "--upgrade"], check=False, capture_output=True)  # uv left none
    print(f"installing {LOCK} with {'uv' if uv else 'pip'}", flush=True)
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    quiet = [*install, "--quiet"]
    for what in (["--require-hashes", "-r", str(LOCK)], ["--no-deps", "--no-build-isolation", "--editable", "."]):
        if code := subprocess.run([*quiet, *what], check=False).returncode:
            print(
                f"could not install {what[-1]}; behind a proxy or mirror, set pip's or uv's own variables and try again"
            )
            return code
    (folder / "ready").write_text("")
    return 0


def check(_: argparse.Namespace) -> int:
    """style, types, who may import whom, and whether generated files agree with governance/"""
    code = _run(["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["importlinter.cli", "lint"])
    code |= _run([PACKAGE, "governance", "--check"])
    _keep({"checks-green": (code == 0, None)})
    return code


def tidy(_: argparse.Namespace) -> int:
    """lay out the code as `check` wants it"""
    return _run(["ruff", "check", "--fix", "."], ["ruff", "format", "."])


def test(args: argparse.Namespace) -> int:
    """the project's tests"""
    if args.rest:
        return _run(["pytest", *args.rest])  # some of them: no evidence of all
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.unlink(missing_ok=True)
    os.environ.pop("PYTEST_ADDOPTS", None)  # all of them, or it is no evidence
    code = _run(["pytest", f"--junitxml={REPORT}"])
    _keep(_topics(code == 0))
    return code


def faults(_: argparse.Namespace) -> int:
    """the service as a process, hurt: kill -9, database away, full disk, overload, slow clients, fuzz"""
    os.environ.pop("PYTEST_ADDOPTS", None)  # all of them, or it is no evidence
    code = _run(["pytest", "-m", "faults and not soak", "tests/faults", f"--junitxml={REPORT}"])
    skipped = len(list(ElementTree.parse(REPORT).iter("skipped"))) if REPORT.is_file() else 0  # noqa: S314 - just written
    _keep({"survives-faults": (code == 0 and not skipped, f"{skipped} skipped")})
    return code


def soak(args: argparse.Namespace) -> int:
    """steady load for --minutes: memory, p99 and handles stay flat"""
    os.environ["SOAK_MINUTES"] = str(args.minutes)
    code = _run(["pytest", "-m", "soak", "-s", "tests/faults"])
    _keep({"slo-under-load": (code == 0 and args.minutes >= 30, f"{args.minutes:g} minutes, 30 are asked for")})
    return code


def _topics(green: bool) -> "dict[str, tuple[bool, str | float | None]]":
    """What a whole run of the tests shows, by check: all of it, and for some checks the tests of certain files."""
    from ..governance.catalogue import catalogue

    if not REPORT.is_file():
        return {"tests-green": (False, "no report was written")}
    cases = list(ElementTree.parse(REPORT).iter("testcase"))  # noqa: S314 - pytest wrote it, just now
    bad = {"failure", "error"}
    found: dict[str, tuple[bool, str | float | None]] = {"tests-green": (green, f"{len(cases)} tests")}
    for entry in catalogue().checks:
        starts = tuple(path.removesuffix(".py").replace("/", ".") for path in entry.tests)
        mine = [
            case for case in cases if starts and f"{case.get('classname')}.".startswith(tuple(f"{s}." for s in starts))
        ]
        well = [case for case in mine if not any(child.tag in {*bad, "skipped"} for child in case)]
        failed = [case for case in mine if any(child.tag in bad for child in case)]
        if entry.tests:
            found[entry.id] = (bool(well) and not failed, f"{len(well)} tests, {len(failed)} failed")
    return found


def _keep(found: "dict[str, tuple[bool, str | float | None]]") -> None:
    """Write evidence. Whatever stands in its way, such as a registry that is away, the result stays."""
    from ..pipeline.evidence import digests, finding, write
    from ..pipeline.registry import Registry
    from ..pipeline.seam import project_seam
    from ..settings import Settings

    try:
        settings = Settings()
        about = digests(settings, project_seam())
        write(Registry(settings), [finding(id, passed, about, value) for id, (passed, value) in found.items()])
    except Exception as error:
        print(f"no evidence was kept: {error}", file=sys.stderr)


def _run(*tools: list[str]) -> int:
    """Run each tool of this environment; all are run, so that one look shows everything."""
    failed = 0
    for tool in tools:
        command = [sys.executable, "-m", *tool] if tool[0] != "importlinter.cli" else [_script("lint-imports")]
        print("$", " ".join(tool), flush=True)
        failed |= subprocess.run(command, check=False).returncode
    return 1 if failed else 0


def _script(name: str) -> str:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name
