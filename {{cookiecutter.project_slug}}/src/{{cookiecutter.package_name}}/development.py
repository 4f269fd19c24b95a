"""Verbs of development. Standard library only, since `setup` runs before anything is installed."""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

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
    """style, types and who may import whom"""
    return _run(["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["importlinter.cli", "lint"])


def tidy(_: argparse.Namespace) -> int:
    """lay out the code as `check` wants it"""
    return _run(["ruff", "check", "--fix", "."], ["ruff", "format", "."])


def test(args: argparse.Namespace) -> int:
    """the project's tests"""
    return _run(["pytest", *args.rest])


def faults(_: argparse.Namespace) -> int:
    """the service as a process, hurt: kill -9, database away, full disk, overload, slow clients, fuzz"""
    return _run(["pytest", "-m", "faults and not soak", "tests/faults"])


def soak(args: argparse.Namespace) -> int:
    """steady load for --minutes: memory, p99 and handles stay flat"""
    os.environ["SOAK_MINUTES"] = str(args.minutes)
    return _run(["pytest", "-m", "soak", "-s", "tests/faults"])


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
