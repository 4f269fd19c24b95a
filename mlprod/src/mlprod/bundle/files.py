"""The files of a bundle's folder: their names, their sizes, and the digest of the bundle."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import BundleFilesError

# Who made the bundle, when and where. It lies beside the bundle's files, outside the digest.
PROVENANCE = "provenance.json"
NAME = re.compile(r"(?!\.\.?(?:/|$))[\w.-]+(?:/(?!\.\.?(?:/|$))[\w.-]+)*", re.ASCII)


def bundle_files(folder: Path) -> dict[str, Path]:
    """Return the paths of a bundle's files by name, without the provenance.

    Raises BundleFilesError for a link, a pipe, a device or an invalid name, and OSError if the
    folder cannot be read.
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
    """Return the bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in _paths(folder))


def folder_digest(folder: Path) -> str:
    """Return the digest of the bundle in a folder, without the provenance.

    Files are read in pieces, so that their size does not matter. A folder with a file that cannot
    be part of a bundle gets a digest that no bundle has. So it is never mistaken for a bundle.
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
    """Return the SHA-256 of the sorted pairs of name and SHA-256 of a bundle's files.

    The manifest is one of the files.
    """
    return sha256(
        "".join(sorted(_line(name, sha256(content)) for name, content in files.items())).encode()
    )


def require_name(name: str) -> None:
    """Raises BundleFilesError for a name that is not valid for a file of a bundle.

    Such a name could lead out of the folder, or the digest would not pin it.
    """
    if not NAME.fullmatch(name):
        raise BundleFilesError(
            f"{name!r} is not a valid name for a file of a bundle; "
            f"works: letters, digits, . _ - and folders"
        )


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes as hex digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _paths(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder except folders. Links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(path)
        else:
            yield path


def _problem(name: str, path: Path) -> str:
    """Return why this cannot be a file of a bundle; empty if it can."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return f"{name} is a link, a pipe or a device, not a file"
    try:
        require_name(name)
    except BundleFilesError as error:
        return str(error)
    return ""


def _line(name: str, digest: str) -> str:
    return f"{name} {digest}\n"
