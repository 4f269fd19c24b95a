"""The installed library is identified by its bytes.

A library that is not the pinned wheel cannot write evidence.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from filled import DIGESTS, NOW, evidence
from fixture_project import LIBRARY, PROJECT
from installed_wheels import (
    STOP,
    install,
    patch,
    project,
)

from mlprod.governance.check_catalogue import ROOMS, catalogue
from mlprod.governance.evidence_status import judge_evidence
from mlprod.installation.installed import Library, read_library
from mlprod.settings import Settings
from mlprod.training import evidence_store
from mlprod.training.registry import Registry

__all__ = ["install", "project"]  # fixtures


def test_the_rooms_that_evidence_may_name_are_those_of_the_library() -> None:
    folders = {path.name for path in (LIBRARY / "src" / "mlprod").iterdir() if path.is_dir()} - {
        "__pycache__"
    }
    assert set(ROOMS) == {f"mlprod.{name}" for name in folders}


def test_an_installed_wheel_has_the_checksum_of_its_file(
    install: Callable[..., Library], project: Path
) -> None:
    library = install("1.2.3")
    assert (library.version, library.refusal) == ("1.2.3", "")
    assert library.checksum == hashlib.sha256((project / "mlprod.whl").read_bytes()).hexdigest()


def test_rooms_are_the_same_installed_and_as_sources(
    install: Callable[..., Library], project: Path
) -> None:
    sources = read_library(PROJECT)
    assert (sources.version, sources.refusal) == ("", ""), "a checkout fits every project"
    installed = install("1.2.3")
    assert {room: installed.rooms[room] for room in ROOMS} == {
        room: sources.rooms[room] for room in ROOMS
    }


def edit(site: Path) -> None:
    path = site / "mlprod" / "serving" / "app.py"
    path.write_text(path.read_text() + "\n# edited by hand\n")


def add(site: Path) -> None:
    (site / "mlprod" / "serving" / "shortcut.py").write_text("")


def remove_metadata(site: Path) -> None:
    (site / "mlprod-1.2.3.dist-info" / "METADATA").unlink()


@pytest.fixture
def tampered(
    install: Callable[..., Library],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[[Path], Library]:
    """The library that commands see after a change of an installed file."""

    def run(project: Path) -> Library:
        return read_library(project, project / "site" / "mlprod")

    install("1.2.3")
    monkeypatch.setattr(evidence_store, "read_library", lambda _: run(project))
    request.param(project / "site")
    return run


TAMPERED = pytest.mark.parametrize("tampered", [edit, add, remove_metadata], indirect=True)


@TAMPERED
def test_a_library_that_is_not_the_pinned_wheel_is_refused_as_evidence(
    tampered: Callable[[Path], Library],
    project: Path,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evidence_store._warn.cache_clear()
    record = evidence_store.finding("contract-holds", True, {}).model_copy(
        update={"actor": "of-tampered-code"}
    )
    assert evidence_store.write_evidence(registry, [record]) is False
    assert "of-tampered-code" not in {
        result.actor for result in evidence_store.read_evidence(registry)
    }
    message = capsys.readouterr().err
    assert (
        "no evidence was stored: mlprod 1.2.3 as it is installed is not the wheel that "
        "requirements/mlprod.txt" in message
    )
    assert "Works: make setup" in message


@TAMPERED
def test_evidence_of_the_pinned_wheel_is_stale_while_the_library_is_tampered_with(
    tampered: Callable[[Path], Library], project: Path, settings: Settings
) -> None:
    library = tampered(project)
    ours = {"code", *ROOMS}
    assert not ours & evidence_store.digests(settings).keys()
    today = {subject: digest for subject, digest in DIGESTS.items() if subject not in ours}
    for entry in (STOP, next(entry for entry in catalogue().checks if entry.id == "sbom")):
        result = judge_evidence(entry, [evidence(entry.id)], today, NOW, library=library)
        assert result.status == "stale"
        assert (
            "which no longer counts: mlprod 1.2.3 as it is installed is not the wheel" in result.why
        )


def test_another_wheel_of_the_same_version_is_refused(
    install: Callable[..., Library], project: Path
) -> None:
    install("1.2.3")
    pin = (project / "requirements" / "mlprod.txt").read_text()
    assert install("1.2.3", patch("serving/app.py")).refusal == ""
    (project / "requirements" / "mlprod.txt").write_text(pin)
    assert (
        "not the wheel that requirements/mlprod.txt pins"
        in read_library(project, project / "site/mlprod").refusal
    )


# Evidence of older and of later versions


@pytest.mark.parametrize(
    ("version", "release"),
    [("0.2.0", "mlprod 0.2.0"), ("0.2.0+org.3", "mlprod 0.2.0 before patches/"), ("", "mlprod")],
)
def test_evidence_of_the_librarys_tests_shows_that_it_was_patched_since(
    version: str, release: str
) -> None:
    assert Library(version).tested_release == release
