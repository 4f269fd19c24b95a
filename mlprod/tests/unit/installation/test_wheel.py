"""The wheel: equal bytes on every Python, equal files as flit builds, and the pin in a project."""

import csv
import hashlib
import io
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import flit_core.buildapi
import pytest
from fixture_project import LIBRARY, PROJECT
from packaging.requirements import Requirement

BUILD = LIBRARY / "build_wheel.py"
BUILDER = runpy.run_path(str(BUILD))
SKIPPED = {
    "mlprod-0.1.0.dist-info/METADATA",
    "mlprod-0.1.0.dist-info/WHEEL",
    "mlprod-0.1.0.dist-info/RECORD",
}
PYENV = sorted(Path.home().glob(".pyenv/versions/3.1[123].*/bin/python"))
PYTHONS = [
    sys.executable,
    *(path for name in ("3.12", "3.13") if (path := shutil.which(f"python{name}"))),
    *PYENV,
]


@pytest.mark.parametrize("python", sorted({str(path) for path in PYTHONS}))
def test_every_python_builds_the_same_bytes(python: str, tmp_path: Path) -> None:
    here = BUILDER["write_wheel"](tmp_path / "here", "0.1.0")
    code = (
        "import runpy, pathlib, sys; "
        "runpy.run_path(sys.argv[1])['write_wheel'](pathlib.Path(sys.argv[2]), '0.1.0')"
    )
    done = subprocess.run(
        [python, "-c", code, BUILD, tmp_path], capture_output=True, text=True, check=False
    )
    if "tomllib" in done.stderr or "not found" in done.stderr:
        pytest.skip(f"{python} cannot run here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / here.name).read_bytes() == here.read_bytes()


@pytest.fixture(scope="module")
def wheels(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipFile]]:
    """Our wheel, and the wheel that flit builds from the same folder."""
    copy = Path(
        shutil.copytree(
            LIBRARY, tmp_path_factory.mktemp("copy") / "mlprod", ignore=shutil.ignore_patterns(".*")
        )
    )
    version = copy / "src" / "mlprod" / "version.py"
    version.write_text(version.read_text().replace('VERSION = ""', 'VERSION = "0.1.0"'))
    folder = tmp_path_factory.mktemp("wheels")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        theirs = flit_core.buildapi.build_wheel(str(folder))
    mine = BUILDER["write_wheel"](folder / "mine", "0.1.0")
    with zipfile.ZipFile(mine) as one, zipfile.ZipFile(folder / theirs) as other:
        yield one, other


def test_flit_builds_the_same_files(wheels: tuple[zipfile.ZipFile, zipfile.ZipFile]) -> None:
    one, other = (
        {row[0]: row[1:] for row in csv.reader(io.StringIO(record(wheel)))} for wheel in wheels
    )
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} <= SKIPPED


def test_flit_writes_the_same_metadata(wheels: tuple[zipfile.ZipFile, zipfile.ZipFile]) -> None:
    one, other = (
        Parser().parsestr(wheel.read("mlprod-0.1.0.dist-info/METADATA").decode())
        for wheel in wheels
    )
    for name in (
        "Name",
        "Version",
        "Summary",
        "Requires-Python",
        "License-Expression",
        "Description-Content-Type",
    ):
        assert one[name] == other[name]
    for name in ("Requires-Dist", "Provides-Extra"):
        result, wanted = one.get_all(name, []), other.get_all(name, [])
        if name == "Requires-Dist":
            result, wanted = (
                sorted(str(Requirement(item)) for item in lines) for lines in (result, wanted)
            )
        assert result == wanted
    assert str(one.get_payload()).strip() == str(other.get_payload()).strip()


def test_every_file_is_recorded_with_its_checksum(
    wheels: tuple[zipfile.ZipFile, zipfile.ZipFile],
) -> None:
    names = [row[0] for row in csv.reader(io.StringIO(record(wheels[0])))]
    assert names == wheels[0].namelist()
    assert {entry.compress_type for entry in wheels[0].infolist()} == {zipfile.ZIP_STORED}


def test_the_pin_of_a_new_project_matches_its_wheel() -> None:
    (wheel,) = (PROJECT / "vendor").glob("*.whl")
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (
        f"mlprod=={wheel.name.split('-')[1]} --hash=sha256:{checksum}\n"
        in Path("requirements/mlprod.txt").read_text()
    )


def test_the_version_is_the_tag_or_counts_the_commits_since_the_last_tag(tmp_path: Path) -> None:
    def git(*parts: str) -> None:
        identity = ["-c", "user.name=Your Name", "-c", "user.email=you@example.org"]
        subprocess.run(
            [str(shutil.which("git")), "-C", str(tmp_path), *identity, *parts],
            check=True,
            capture_output=True,
        )

    version = BUILDER["version_of"]
    assert version(tmp_path, "0.2.0") == "0.2.0.dev0", "without git"
    git("init", "-q")
    for commit in range(3):
        git("commit", "--allow-empty", "-qm", str(commit))
    assert version(tmp_path, "0.2.0") == "0.2.0.dev3"
    git("tag", "v0.1.0")
    assert version(tmp_path, "0.2.0") == "0.1.0"
    git("commit", "--allow-empty", "-qm", "later")
    assert version(tmp_path, "0.2.0") == "0.2.0.dev1"


def record(wheel: zipfile.ZipFile) -> str:
    return wheel.read("mlprod-0.1.0.dist-info/RECORD").decode()
