"""Create virtual environments, install packages into them, and repair moved ones.

Standard library only.
"""

import configparser
import contextlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

# A file of a complete environment; it holds the folder of the project.
READY = "ready"
# These variables would lead pip or Python to another place.
IGNORED_VARIABLES = (
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV",
    "PYTHONHOME",
)
UV_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE")
HINT = "Behind a proxy or with an index of your own: docs/setup.md"


def python_of(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_environment(folder: Path, project: Path) -> None:
    """Create the environment, or adapt an existing one to the project's folder."""
    ready, here = folder / READY, project.as_posix()
    before = ready.read_text(encoding="utf-8").strip() if ready.is_file() else None
    # The environment is new, was not completed, or its Python is gone.
    if before is None or not _works(str(python_of(folder)), "-c", ""):
        print(f"creating {folder} with Python {sys.version.split()[0]}", flush=True)
        venv.create(folder, with_pip=not _uv(), clear=True)
    elif before not in ("", here):
        print(
            f"{folder} was created for {before}; the project was moved or copied to {here}, "
            f"so the environment is adapted",
            flush=True,
        )
        _replace(folder, str(Path(before, folder)), str(project / folder))


def mark_ready(folder: Path, project: Path) -> None:
    """Write down that the environment is complete, and for which folder."""
    (folder / READY).write_text(project.as_posix() + "\n", encoding="utf-8")


def install(folder: Path, *what: str) -> int:
    """Install packages into the environment; return the exit code.

    uv installs them, or pip if uv is absent or does not know the index (see `_uv`). Settings of pip
    that lead to another place are ignored. Settings for the source of packages apply.
    """
    python, uv = str(python_of(folder)), _uv()
    print(f"installing {what[-1]} with {'uv' if uv else 'pip'}", flush=True)
    environment = _environment()
    if uv:
        command = [uv, "pip", "install", "--python", python]
        certificates = environment.get("PIP_CERT") or environment.get("REQUESTS_CA_BUNDLE")
        if certificates and not environment.get("SSL_CERT_FILE"):
            environment["SSL_CERT_FILE"] = certificates
    else:
        command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        # An environment that uv created has no pip.
        if not _works(python, "-m", "pip", "--version"):
            _works(python, "-m", "ensurepip")
    code = subprocess.run([*command, "--quiet", *what], check=False, env=environment).returncode
    if code:
        print(f"{what[-1]} could not be installed. {HINT}", file=sys.stderr)
    return code


def _works(*command: str) -> bool:
    try:
        return (
            subprocess.run(command, capture_output=True, check=False, env=_environment()).returncode
            == 0
        )
    except OSError:
        return False


def _environment() -> dict[str, str]:
    """Return the variables of this process without those that lead pip or Python elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in IGNORED_VARIABLES} | {
        "PIP_USER": "0"
    }


def _uv() -> str | None:
    """Return the path of uv, or None if only pip knows the index of packages.

    uv reads neither PIP_INDEX_URL nor pip.conf.
    """
    known = any(os.environ.get(name) for name in UV_INDEX_VARIABLES) or not _index_of_pip()
    return shutil.which("uv") if known else None


def _index_of_pip() -> str:
    """Return the index that pip's variable or files name; empty if they name none.

    The files are read here, since pip may be absent, as in an environment that uv created.
    """
    named = os.environ.get("PIP_CONFIG_FILE", "")
    files = [
        "/etc/pip.conf",
        "~/.pip/pip.conf",
        "~/.config/pip/pip.conf",
        f"{sys.prefix}/pip.conf",
        named,
    ]
    settings = configparser.RawConfigParser(strict=False)
    # The null device switches all files off.
    if named != os.devnull:
        # There may be no home folder, or no readable settings.
        with contextlib.suppress(configparser.Error, OSError, ValueError, RuntimeError):
            settings.read([Path(file).expanduser() for file in files if file], encoding="utf-8")
    sections = (settings.get(name, "index-url", fallback="") for name in ("install", "global"))
    return os.environ.get("PIP_INDEX_URL", "") or next(filter(None, sections), "")


def _replace(folder: Path, before: str, now: str) -> None:
    """Replace a path in the scripts, which name the interpreter by its absolute path."""
    for script in python_of(folder).parent.iterdir():
        content = b"" if script.is_symlink() or not script.is_file() else script.read_bytes()
        # A script can be a binary program, as on Windows. Such a file is not changed.
        if before.encode() in content and b"\0" not in content:
            script.write_bytes(content.replace(before.encode(), now.encode()))
