"""Build the bytes of the library's wheel.

Standard library only: build_wheel.py loads this file by its path. The wheel is stored without
compression, with one timestamp and sorted names. So every Python builds the same bytes from the
same files, and the checksum of an installed library shows from which wheel it came.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
# The files beside RECORD. The installer writes the other files of an installed folder.
INFO = ("METADATA", "WHEEL")


def read_tree(package: Path) -> dict[str, bytes]:
    """Return every file of a package by its name in the wheel, sorted, with Unix line ends."""
    result = {}
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package.parent)
        if path.is_file() and not CACHES & set(relative.parts) and path.suffix != ".pyc":
            result[relative.as_posix()] = path.read_bytes().replace(b"\r\n", b"\n")
    return result


def wheel_name(version: str) -> str:
    """Return the file name of the library's wheel."""
    return f"mlprod-{version}-py3-none-any.whl"


def info_folder(version: str) -> str:
    """Return the folder of the wheel that holds its metadata."""
    return f"mlprod-{version}.dist-info"


def record(files: Mapping[str, bytes], version: str) -> bytes:
    """Return the content of RECORD: name, checksum and size of every file."""
    lines = []
    for name, data in files.items():
        checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={checksum},{len(data)}")
    return "\n".join([*lines, f"{info_folder(version)}/RECORD,,", ""]).encode()


def pack(files: Mapping[str, bytes], version: str) -> bytes:
    """Return the wheel of these files in their order; RECORD is added."""
    path = f"{info_folder(version)}/RECORD"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**files, path: record(files, version)}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            # As on Unix, whatever the system is.
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, data)
    return content.getvalue()
