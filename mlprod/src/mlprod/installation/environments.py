"""Virtual environments: made, filled from a lock, and fitted to a folder that was moved.

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

READY = "ready"  # file of an environment that is whole; it names the folder of the project
ASIDE = (
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV",
    "PYTHONHOME",
)  # lead elsewhere
OWN_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE")
HINT = "Behind a proxy or with an index of your own: docs/setup.md"


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make(folder: Path, project: Path) -> None:
    """Make the environment, or make one that is there fit the project's folder."""
    ready, here = folder / READY, project.as_posix()
    before = ready.read_text(encoding="utf-8").strip() if ready.is_file() else None
    if before is None or not _works(
        str(python_of(folder)), "-c", ""
    ):  # new, left half made, or its Python is gone
        print(f"making {folder} with Python {sys.version.split()[0]}", flush=True)
        venv.create(folder, with_pip=not _uv(), clear=True)
    elif before not in ("", here):
        print(
            f"{folder} was made for {before}; the project was moved or copied to {here}, "
            f"so it is fitted",
            flush=True,
        )
        _replace(folder, str(Path(before, folder)), str(project / folder))


def finish(folder: Path, project: Path) -> None:
    """Note that the environment is whole, and for which folder."""
    (folder / READY).write_text(project.as_posix() + "\n", encoding="utf-8")


def install(folder: Path, *what: str) -> int:
    """Install into the environment with uv, or with pip where uv is absent or knows less; gives the
    exit code.

    Settings of pip that lead elsewhere do not count. Those that say where packages come from do:
    see `_uv`.
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
        if not _works(python, "-m", "pip", "--version"):  # uv made the environment, without pip
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
    """The environment of this process without what leads pip or Python to another place."""
    return {name: value for name, value in os.environ.items() if name not in ASIDE} | {
        "PIP_USER": "0"
    }


def _uv() -> str | None:
    """uv, unless only pip knows the index of this company: uv reads neither PIP_INDEX_URL nor
    pip.conf.
    """
    known = any(os.environ.get(name) for name in OWN_INDEX) or not _index_of_pip()
    return shutil.which("uv") if known else None


def _index_of_pip() -> str:
    """The index that pip's variable or files name. pip itself may be absent, as from an environment
    that uv made.
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
    if named != os.devnull:  # which switches all files off
        with contextlib.suppress(
            configparser.Error, OSError, ValueError, RuntimeError
        ):  # no home, or no settings
            settings.read([Path(file).expanduser() for file in files if file], encoding="utf-8")
    sections = (settings.get(name, "index-url", fallback="") for name in ("install", "global"))
    return os.environ.get("PIP_INDEX_URL", "") or next(filter(None, sections), "")


def _replace(folder: Path, before: str, now: str) -> None:
    """Scripts of an environment name its interpreter by the whole path."""
    for script in python_of(folder).parent.iterdir():
        content = b"" if script.is_symlink() or not script.is_file() else script.read_bytes()
        if (
            before.encode() in content and b"\0" not in content
        ):  # a program, as on Windows, is no text
            script.write_bytes(content.replace(before.encode(), now.encode()))
