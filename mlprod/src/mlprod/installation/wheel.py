"""The bytes of the library's wheel.

Standard library only: build_wheel.py loads this file by its path.

Stored and not deflated, with one timestamp and sorted names: every Python makes the same bytes of
the same files, so an installed library shows by its checksum which wheel it came from.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
INFO = (
    "METADATA",
    "WHEEL",
)  # beside RECORD; what else lies in an installed folder, the installer has written


def read_tree(package: Path) -> dict[str, bytes]:
    """Every file of a package, by its name in the wheel, sorted; line ends as on Unix."""
    result = {}
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package.parent)
        if path.is_file() and not CACHES & set(relative.parts) and path.suffix != ".pyc":
            result[relative.as_posix()] = path.read_bytes().replace(b"\r\n", b"\n")
    return result


def wheel_name(version: str) -> str:
    """The file name of the library's wheel."""
    return f"mlprod-{version}-py3-none-any.whl"


def info_folder(version: str) -> str:
    """The folder of the wheel that holds its metadata."""
    return f"mlprod-{version}.dist-info"


def record(files: Mapping[str, bytes], version: str) -> bytes:
    """RECORD: name, checksum and size of every file."""
    lines = []
    for name, data in files.items():
        checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={checksum},{len(data)}")
    return "\n".join([*lines, f"{info_folder(version)}/RECORD,,", ""]).encode()


def pack(files: Mapping[str, bytes], version: str) -> bytes:
    """The wheel of these files, which hold no RECORD, in their order."""
    path = f"{info_folder(version)}/RECORD"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**files, path: record(files, version)}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = (
                3,
                0o100644 << 16,
            )  # as on Unix, wherever it is built
            archive.writestr(entry, data)
    return content.getvalue()
