"""The installed library: its wheel, the digest of each room, and its passed tests.

The code reads the files themselves, so a file that was edited after its installation counts with
its current content. A room is a package or module directly below `mlprod`. Standard library only.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .pinned import wheel_mismatch
from .wheel import INFO, info_folder, pack, read_tree

PACKAGE = Path(__file__).resolve().parent.parent
RELEASE = re.compile(r"(\d+\.\d+)\.(\d+)")


@dataclass(frozen=True)
class Library:
    """Facts about the library that runs.

    - `version`: empty for sources that are not installed.
    - `checksum`: of the wheel, or of the sources.
    - `rooms`: digest by name, such as "mlprod.serving".
    - `passed`: how many of the library's tests passed before its release, by file.
    - `passed_with`: the digests of the rooms with which those tests ran.
    - `refusal`: why this is not the library that the project pins; empty if it is.
    """

    version: str = ""
    checksum: str = ""
    rooms: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    passed_with: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    def count_passed(self, tests: Iterable[str]) -> int:
        """Return how many tests below these paths passed before the release.

        Returns 0 if no test passed below one of the paths.
        """
        counts = [
            sum(count for file, count in self.passed.items() if file.startswith(path))
            for path in tests
        ]
        return sum(counts) if all(counts) else 0

    @property
    def tested_release(self) -> str:
        """The name of the release whose tests `passed` counts, without a project's own patches."""
        released, patched, _ = self.version.partition("+")
        return f"mlprod {released}".strip() + (" before patches/" if patched else "")

    def is_patch_of(self, version: str) -> bool:
        """Return whether this is a later patch release of the same minor version.

        A development version between releases is not a patch of any release.
        """
        mine, other = RELEASE.fullmatch(self.version), RELEASE.fullmatch(version)
        return bool(mine and other and mine[1] == other[1] and int(mine[2]) > int(other[2]))


def read_library(project: Path, package: Path = PACKAGE) -> Library:
    """Read the library in `package`, and compare it with the pin of the project.

    `package` is an installed package or a folder of sources.
    """
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
        wheel_mismatch(project, version, checksum),
    )


def _version(content: bytes) -> str:
    result = re.search(rb'^VERSION = "(.*)"', content, re.MULTILINE)
    return result[1].decode() if result else ""


def _wheel_checksum(folder: Path, version: str, files: Mapping[str, bytes]) -> str:
    """Return the checksum of the wheel of these files, which is built again for it.

    It is empty if the metadata of the wheel are missing.
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
