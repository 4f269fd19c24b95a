"""The library as it is installed: which wheel it is, the digest of each room, and which of its
tests passed.

The files themselves are read, so one that was edited after its installation counts as what it is
now. Standard library only.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .pinned import other_wheel
from .wheel import INFO, info_folder, pack, read_tree

PACKAGE = Path(__file__).resolve().parent.parent
RELEASE = re.compile(r"(\d+\.\d+)\.(\d+)")


@dataclass(frozen=True)
class Library:
    """`version` is empty for sources that are not installed; `checksum` is that of the wheel, or of
    the sources. `rooms`: digest by name, such as "mlprod.serving". `passed`: how many of the
    library's tests passed before its release, by file, and `passed_with`: the rooms that they ran
    with. `refusal`: why this is not the library that the project pins; empty when it is.
    """

    version: str = ""
    checksum: str = ""
    rooms: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    passed_with: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    def count_passed(self, tests: Iterable[str]) -> int:
        """How many tests below these paths passed before the release; 0 unless some did below each
        of them.
        """
        counts = [
            sum(count for file, count in self.passed.items() if file.startswith(path))
            for path in tests
        ]
        return sum(counts) if all(counts) else 0

    @property
    def tested_release(self) -> str:
        """The release whose tests `passed` counts, in words; a project's own patches came after
        them.
        """
        released, patched, _ = self.version.partition("+")
        return f"mlprod {released}".strip() + (" before patches/" if patched else "")

    def is_patch_of(self, version: str) -> bool:
        """Is this a later patch release of the same minor version?

        A version between releases is a patch of none.
        """
        mine, other = RELEASE.fullmatch(self.version), RELEASE.fullmatch(version)
        return bool(mine and other and mine[1] == other[1] and int(mine[2]) > int(other[2]))


def read_library(project: Path, package: Path = PACKAGE) -> Library:
    """The library in `package`, installed or a folder of sources, beside the pin of the project."""
    files = read_tree(package)
    version = _version(files["mlprod/version.py"])
    checksum = _wheel_checksum(package.parent, version, files) if version else _digest(files)
    verified = json.loads(files.get("mlprod/verified.json", b"{}"))
    return Library(
        version,
        checksum,
        _rooms(files),
        verified.get("passed", {}),
        verified.get("rooms", {}),
        other_wheel(project, version, checksum),
    )


def _version(content: bytes) -> str:
    result = re.search(rb'^VERSION = "(.*)"', content, re.MULTILINE)
    return result[1].decode() if result else ""


def _wheel_checksum(folder: Path, version: str, files: Mapping[str, bytes]) -> str:
    """The checksum of the wheel that these files came from, made once more; empty when its metadata
    are missing.
    """
    info = info_folder(version)
    paths = {f"{info}/{name}": folder / info / name for name in INFO}
    if not all(path.is_file() for path in paths.values()):
        return ""
    metadata = {name: path.read_bytes() for name, path in paths.items()}
    return hashlib.sha256(pack({**files, **metadata}, version)).hexdigest()


def _rooms(files: Mapping[str, bytes]) -> dict[str, str]:
    rooms: dict[str, dict[str, bytes]] = {}
    for name, data in files.items():
        rooms.setdefault(f"mlprod.{name.split('/')[1].removesuffix('.py')}", {})[name] = data
    return {room: _digest(result) for room, result in rooms.items()}


def _digest(files: Mapping[str, bytes]) -> str:
    lines = [f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in files.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
