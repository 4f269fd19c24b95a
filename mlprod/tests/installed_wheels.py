"""Real wheels of the library, built, pinned and unpacked as pip does, and drills that were shown
with them.
"""

import hashlib
import json
import runpy
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filled import DIGESTS, NOW, evidence
from fixture_project import LIBRARY

from mlprod.governance.check_catalogue import ROOMS, CheckDefinition, Subject, catalogue
from mlprod.governance.evidence import Evidence
from mlprod.governance.evidence_status import EvidenceStatus, judge_evidence
from mlprod.installation.installed import Library, read_library

BUILDER = runpy.run_path(str(LIBRARY / "build_wheel.py"))
DRILLS = [entry for entry in catalogue().checks if set(entry.tied_to) & set(ROOMS)]
STOP = next(entry for entry in DRILLS if entry.id == "stop-drilled")
Change = Callable[[dict[str, bytes]], None]


def nothing(files: dict[str, bytes]) -> None: ...


def patch(*names: str) -> Change:
    def change(files: dict[str, bytes]) -> None:
        for name in names:
            files[f"mlprod/{name}"] += b"\n# a patch\n"

    return change


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    return tmp_path


@pytest.fixture
def install(project: Path) -> Callable[..., Library]:
    """Build the wheel of a version, changed, pin it in the project, and unpack it; gives the
    library that is read.
    """

    def run(version: str, change: Change = nothing, *, proved: bool = False) -> Library:
        files, info = BUILDER["content"](version), BUILDER["WHEEL"]["info_folder"](version)
        change(files)
        if proved:
            tests = {path: 3 for entry in DRILLS for path in entry.verified_by}
            rooms = unpacked(project, files, info, version).rooms
            files["mlprod/verified.json"] = json.dumps(
                {"passed": tests, "rooms": dict(rooms)}
            ).encode()
        return unpacked(project, files, info, version)

    return run


def unpacked(project: Path, files: dict[str, bytes], info: str, version: str) -> Library:
    wheel, site = project / "mlprod.whl", project / "site"
    wheel.write_bytes(BUILDER["WHEEL"]["pack"](files, version))
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / "requirements" / "mlprod.txt").write_text(
        f"mlprod=={version} --hash=sha256:{checksum}\n"
    )
    shutil.rmtree(site, ignore_errors=True)
    zipfile.ZipFile(wheel).extractall(site)
    (site / info / "INSTALLER").write_text(
        "pip\n"
    )  # an installer adds this, bytecode, and lines of RECORD
    (site / "mlprod" / "__pycache__").mkdir()
    (site / "mlprod" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"bytecode")
    return read_library(project, site / "mlprod")


def of_today(library: Library) -> dict[Subject, str]:
    result = dict(DIGESTS)
    for room in ROOMS:
        result[room] = library.rooms[room]
    return result


def drilled(entry: CheckDefinition, library: Library) -> Evidence:
    """The drill passed yesterday, with this library."""
    topic = of_today(library)
    digests = {subject: topic[subject] for subject in entry.tied_to}
    return evidence(entry.id, digests=digests, library=library.version)


def judged(entry: CheckDefinition, record: Evidence, library: Library) -> EvidenceStatus:
    """As of today, with another library; everything else is as it was."""
    return judge_evidence(entry, [record], of_today(library), NOW, library=library)
