"""The files of a bundle's folder: which ones there are, how many bytes they have, and the digest
that names them.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import BundleFilesError

PROVENANCE = "provenance.json"  # who, when, where: beside the bundle, outside its digest
NAME = re.compile(r"(?!\.\.?(?:/|$))[\w.-]+(?:/(?!\.\.?(?:/|$))[\w.-]+)*", re.ASCII)


def bundle_files(folder: Path) -> dict[str, Path]:
    """Name → path of the files of a bundle, provenance left out.

    Raises BundleFilesError for a link, a pipe, a device or an odd name, OSError for what cannot be
    read.
    """
    result = {}
    for path in _paths(folder):
        name = path.relative_to(folder).as_posix()
        if problem := _problem(name, path):
            raise BundleFilesError(problem)
        if name != PROVENANCE:
            result[name] = path
    return result


def folder_bytes(folder: Path) -> int:
    """Of everything that lies there."""
    return sum(path.lstat().st_size for path in _paths(folder))


def folder_digest(folder: Path) -> str:
    """The digest of the bundle that lies in a folder, its provenance left out; read in pieces,
    however large it is.

    What cannot be part of a bundle has a digest that no bundle has, so such a folder is never taken
    for one.
    """
    lines = []
    for path in _paths(folder):
        name = path.relative_to(folder).as_posix()
        if problem := _problem(name, path):
            lines.append(f"{problem}\n")
        elif name != PROVENANCE:
            lines.append(_line(name, file_sha256(path)))
    return sha256("".join(sorted(lines)).encode())


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """sha256 over the sorted (name, sha256) of a bundle's files, the manifest among them."""
    return sha256(
        "".join(sorted(_line(name, sha256(content)) for name, content in files.items())).encode()
    )


def require_name(name: str) -> None:
    """Raises BundleFilesError for a name that could lead out of the folder, or that its digest
    would not pin.
    """
    if not NAME.fullmatch(name):
        raise BundleFilesError(
            f"{name!r} is no name of a bundle's file; works: letters, digits, . _ - and folders"
        )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _paths(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(path)
        else:
            yield path


def _problem(name: str, path: Path) -> str:
    """Why this cannot be a file of a bundle; empty if it can."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return f"{name} is a link, a pipe or a device, not a file"
    try:
        require_name(name)
    except BundleFilesError as error:
        return str(error)
    return ""


def _line(name: str, digest: str) -> str:
    return f"{name} {digest}\n"
