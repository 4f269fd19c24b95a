"""A wheel of the library with the project's patches/*.patch: unpacked, patched by git, rebuilt.

Standard library only.
"""

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..installation.wheel import info_folder, pack

VERSION_FILE = "mlprod/version.py"


class PatchError(Exception):
    """A patch does not apply, or the library cannot be patched here; nothing was changed."""


def patch_files(project: Path) -> list[Path]:
    """Return the patches of a project in the order in which they apply: by name."""
    return sorted((project / "patches").glob("*.patch"))


def patched_wheel(wheel: Path, patches: Sequence[Path], version: str) -> bytes:
    """Return the wheel with the patches, as `version`; the same input gives the same bytes.

    Raises PatchError with the patch and the library file to which it does not apply.
    """
    released = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="mlprod-patch-") as name:
        folder = Path(name).resolve()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        for patch in patches:
            _apply_patch(patch.resolve(), folder, released)
        result = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        files = {name: (folder / name).read_bytes() for name in result}
    _require_own_files(files, wheel, released)
    del files[f"{info_folder(released)}/RECORD"]
    # The metadata comes last.
    ordered = sorted(files, key=lambda name: (not name.startswith("mlprod/"), name))
    content = {
        _renamed(name, released, version): _versioned(name, files[name], released, version)
        for name in ordered
    }
    return pack(content, version)


def _apply_patch(patch: Path, folder: Path, released: str) -> None:
    git = shutil.which("git")
    if git is None:
        raise PatchError("git is not on the PATH, but patches/*.patch need it. Works: install git")
    # In a repository around the folder, git would skip files outside that repository's paths.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
    command = [git, "apply", "--whitespace=nowarn", str(patch)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [
            line.removeprefix("error: ")
            for line in done.stderr.splitlines()
            if line.startswith("error: ")
        ]
        # git reports a file twice: with the failing line of the patch, and alone.
        reasons = [line for line in lines if not line.startswith("patch failed: ")] or [
            done.stderr.strip()
        ]
        raise PatchError(
            f"patches/{patch.name} does not fit mlprod {released}: {'; '.join(reasons)}"
        )


def _require_own_files(files: dict[str, bytes], wheel: Path, released: str) -> None:
    """Raise PatchError if a patch changes files outside the library's code."""
    with zipfile.ZipFile(wheel) as archive:
        info = {
            name: archive.read(name)
            for name in archive.namelist()
            if name.startswith(info_folder(released))
        }
    others = {name: data for name, data in files.items() if not name.startswith("mlprod/")}
    if changed := sorted(
        name for name in others.keys() | info.keys() if others.get(name) != info.get(name)
    ):
        raise PatchError(
            f"patches/ change {changed[0]}; a patch may only change files below mlprod/"
        )


def _renamed(name: str, released: str, version: str) -> str:
    return name.replace(info_folder(released), info_folder(version), 1)


def _versioned(name: str, data: bytes, released: str, version: str) -> bytes:
    """Return the file's bytes, with the new version if the file states one."""
    if name == f"{info_folder(released)}/METADATA":
        return re.sub(rb"(?m)^Version: .*$", f"Version: {version}".encode(), data, count=1)
    if name == VERSION_FILE:
        return data.replace(f'VERSION = "{released}"'.encode(), f'VERSION = "{version}"'.encode())
    return data
