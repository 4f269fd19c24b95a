"""Evidence names the wheel and the rooms of the library that it is about: real wheels, unpacked as pip does."""

import hashlib
import json
import runpy
import shutil
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from filled import DIGESTS, NOW, evidence
from fixture_project import LIBRARY, PROJECT

from mlprod.governance.check_catalogue import ROOMS, Entry, Subject, catalogue
from mlprod.governance.evidence import Evidence
from mlprod.governance.evidence_status import EvidenceStatus, judge
from mlprod.installed import Library, read_library
from mlprod.project import Project
from mlprod.settings import Settings
from mlprod.training import evidence_store
from mlprod.training.registry import Registry

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
    """Build the wheel of a version, changed, pin it in the project, and unpack it; gives the library that is read."""

    def run(version: str, change: Change = nothing, *, proved: bool = False) -> Library:
        files, info = BUILDER["content"](version), BUILDER["WHEEL"]["info_folder"](version)
        change(files)
        if proved:
            tests = {path: 3 for entry in DRILLS for path in entry.verified_by}
            rooms = unpacked(project, files, info, version).rooms
            files["mlprod/verified.json"] = json.dumps({"passed": tests, "rooms": dict(rooms)}).encode()
        return unpacked(project, files, info, version)

    return run


def unpacked(project: Path, files: dict[str, bytes], info: str, version: str) -> Library:
    wheel, site = project / "mlprod.whl", project / "site"
    wheel.write_bytes(BUILDER["WHEEL"]["pack"](files, version))
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / "requirements" / "mlprod.txt").write_text(f"mlprod=={version} --hash=sha256:{checksum}\n")
    shutil.rmtree(site, ignore_errors=True)
    zipfile.ZipFile(wheel).extractall(site)
    (site / info / "INSTALLER").write_text("pip\n")  # an installer adds this, bytecode, and lines of RECORD
    (site / "mlprod" / "__pycache__").mkdir()
    (site / "mlprod" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"bytecode")
    return read_library(project, site / "mlprod")


def of_today(library: Library) -> dict[Subject, str]:
    found = dict(DIGESTS)
    for room in ROOMS:
        found[room] = library.rooms[room]
    return found


def drilled(entry: Entry, library: Library) -> Evidence:
    """The drill passed yesterday, with this library."""
    about = of_today(library)
    digests = {subject: about[subject] for subject in entry.tied_to}
    return evidence(entry.id, digests=digests, library=library.version)


def judged(entry: Entry, record: Evidence, library: Library) -> EvidenceStatus:
    """As of today, with another library; everything else is as it was."""
    return judge(entry, [record], of_today(library), NOW, library=library)


def test_the_rooms_that_evidence_may_name_are_those_of_the_library() -> None:
    folders = {path.name for path in (LIBRARY / "src" / "mlprod").iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(ROOMS) == {f"mlprod.{name}" for name in folders}


def test_an_installed_wheel_is_known_by_its_own_checksum(install: Callable[..., Library], project: Path) -> None:
    library = install("1.2.3")
    assert (library.version, library.refusal) == ("1.2.3", "")
    assert library.checksum == hashlib.sha256((project / "mlprod.whl").read_bytes()).hexdigest()


def test_rooms_are_the_same_installed_and_as_sources(install: Callable[..., Library], project: Path) -> None:
    sources = read_library(PROJECT)
    assert (sources.version, sources.refusal) == ("", ""), "a checkout fits every project"
    installed = install("1.2.3")
    assert {room: installed.rooms[room] for room in ROOMS} == {room: sources.rooms[room] for room in ROOMS}


@pytest.mark.parametrize(
    ("patched", "status", "why"),
    [
        ("governance/waivers.py", "passed", "1, must be <= 5"),
        ("training/train.py", "passed", "1, must be <= 5"),
        ("assets/project/docs/drift.md", "passed", "1, must be <= 5"),
        ("settings.py", "passed", "1, must be <= 5"),
        ("serving/mode_follower.py", "stale", "was shown on 2026-05-31; mlprod.serving has changed since"),
        ("records/mode.py", "stale", "was shown on 2026-05-31; mlprod.records has changed since"),
    ],
)
def test_a_kill_switch_drill_outlives_a_patch_of_a_room_that_it_does_not_exercise(
    install: Callable[..., Library], patched: str, status: str, why: str
) -> None:
    record = drilled(STOP, install("1.2.3"))
    found = judged(STOP, record, install("1.2.4", patch(patched)))
    assert found.status == status
    assert found.why.startswith(why)


def test_every_room_that_changed_is_named(install: Callable[..., Library]) -> None:
    record = drilled(STOP, install("1.2.3"))
    found = judged(STOP, record, install("1.2.4", patch("serving/app.py", "records/mode.py")))
    assert found.why == "was shown on 2026-05-31; mlprod.records and mlprod.serving have changed since"


@pytest.mark.parametrize("entry", [entry for entry in DRILLS if entry.verified_by], ids=lambda entry: entry.id)
def test_a_patch_release_whose_own_tests_prove_a_drill_keeps_it_valid(
    install: Callable[..., Library], entry: Entry
) -> None:
    rooms = [name.removeprefix("mlprod.") for name in entry.tied_to if name in ROOMS]
    record = drilled(entry, install("1.2.3"))
    change = patch(*(f"{room}/__init__.py" for room in rooms))
    assert judged(entry, record, install("1.2.4", change)).status == "stale"
    found = judged(entry, record, install("1.2.4", change, proved=True))
    assert found.status == "passed"
    assert f"by mlprod 1.2.4, with which {3 * len(entry.verified_by)} tests of the same passed" in found.why


@pytest.mark.parametrize("version", ["1.3.0", "2.0.0", "1.2.2", "1.2.4.dev1", "1.2.4+org.1"])
def test_what_is_no_later_patch_release_has_to_be_drilled(install: Callable[..., Library], version: str) -> None:
    record = drilled(STOP, install("1.2.3"))
    assert judged(STOP, record, install(version, patch("serving/app.py"), proved=True)).status == "stale"


def test_tests_that_ran_with_other_code_prove_nothing(install: Callable[..., Library], project: Path) -> None:
    record = drilled(STOP, install("1.2.3"))
    proved = install("1.2.4", patch("serving/app.py"), proved=True)
    assert judged(STOP, record, proved).status == "passed"
    verified = (project / "site" / "mlprod" / "verified.json").read_bytes()

    def patched_again(files: dict[str, bytes]) -> None:
        patch("serving/app.py", "serving/mode_state.py")(files)
        files["mlprod/verified.json"] = verified

    assert judged(STOP, record, install("1.2.5", patched_again)).status == "stale"


def test_without_one_of_its_tests_a_drill_is_not_proved(install: Callable[..., Library]) -> None:
    record = drilled(STOP, install("1.2.3"))
    proved = install("1.2.4", patch("serving/app.py"), proved=True)
    passed = dict.fromkeys(STOP.verified_by[1:], 3)
    fewer = Library(proved.version, proved.checksum, proved.rooms, passed, proved.passed_with)
    assert judged(STOP, record, fewer).status == "stale"


def test_a_patch_release_proves_nothing_of_another_contract_or_image(install: Callable[..., Library]) -> None:
    record = drilled(STOP, install("1.2.3"))
    record.digests["project"] = "other files"
    found = judged(STOP, record, install("1.2.4", patch("serving/app.py"), proved=True))
    assert found.why == "was shown on 2026-05-31 of another project than today's"


# A wheel whose bytes are not the pinned ones


def edit(site: Path) -> None:
    path = site / "mlprod" / "serving" / "app.py"
    path.write_text(path.read_text() + "\n# edited by hand\n")


def add(site: Path) -> None:
    (site / "mlprod" / "serving" / "shortcut.py").write_text("")


def remove_metadata(site: Path) -> None:
    (site / "mlprod-1.2.3.dist-info" / "METADATA").unlink()


@pytest.fixture
def tampered(
    install: Callable[..., Library], project: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[Path], Library]:
    """The library that commands see, once an installed file is not that of the wheel."""

    def run(project: Path) -> Library:
        return read_library(project, project / "site" / "mlprod")

    install("1.2.3")
    monkeypatch.setattr(evidence_store, "read_library", lambda _: run(project))
    request.param(project / "site")
    return run


TAMPERED = pytest.mark.parametrize("tampered", [edit, add, remove_metadata], indirect=True)


@TAMPERED
def test_a_library_that_is_not_the_pinned_wheel_is_refused_as_evidence(
    tampered: Callable[[Path], Library], project: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence_store._warn.cache_clear()
    record = evidence_store.finding("contract-holds", True, {}).model_copy(update={"actor": "of-tampered-code"})
    assert evidence_store.write(registry, [record]) is False
    assert "of-tampered-code" not in {found.actor for found in evidence_store.read(registry)}
    said = capsys.readouterr().err
    assert "no evidence was kept: mlprod 1.2.3 as it is installed is not the wheel that requirements/mlprod.txt" in said
    assert "Works: make setup" in said


@TAMPERED
def test_what_the_pinned_wheel_showed_counts_no_more_beside_a_tampered_one(
    tampered: Callable[[Path], Library], project: Path, settings: Settings
) -> None:
    library = tampered(project)
    ours = {"code", *ROOMS}
    assert not ours & evidence_store.digests(settings).keys()
    today = {subject: digest for subject, digest in DIGESTS.items() if subject not in ours}
    for entry in (STOP, next(entry for entry in catalogue().checks if entry.id == "sbom")):
        found = judge(entry, [evidence(entry.id)], today, NOW, library=library)
        assert found.status == "stale"
        assert "which counts no more: mlprod 1.2.3 as it is installed is not the wheel" in found.why


def test_another_wheel_of_the_same_version_is_refused(install: Callable[..., Library], project: Path) -> None:
    install("1.2.3")
    pin = (project / "requirements" / "mlprod.txt").read_text()
    assert install("1.2.3", patch("serving/app.py")).refusal == ""
    (project / "requirements" / "mlprod.txt").write_text(pin)
    assert "not the wheel that requirements/mlprod.txt pins" in read_library(project, project / "site/mlprod").refusal


# Evidence of older and of later versions


def test_evidence_of_the_first_version_is_stale_and_says_why() -> None:
    first = {
        "check": "stop-drilled",
        "at": (NOW - timedelta(days=1)).isoformat(),
        "writer": "ci",
        "actor": "gil@example.org",
        "run": "17",
        "value": 1.0,
        "threshold": "<= 5",
        "passed": True,
        "valid_days": 90,
        "digests": {"code": "c" * 64},
    }
    record = Evidence.parse(json.dumps(first))
    assert record is not None
    found = judge(STOP, [record], DIGESTS, NOW)
    assert found.status == "stale"
    assert found.why == (
        "evidence of 2026-05-31 does not count: an older mlprod wrote it, which did not record the code of "
        "mlprod.records and mlprod.serving"
    )


def test_evidence_of_a_later_version_is_read_without_what_only_it_knows() -> None:
    later = json.loads(evidence("stop-drilled").model_dump_json())
    later |= {"weather": "fine", "digests": later["digests"] | {"mlprod.oracle": "o"}}
    record = Evidence.parse(json.dumps(later))
    assert record == evidence("stop-drilled")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"digests": []}', '{"check": "stop-drilled"}'])
def test_what_is_no_record_is_no_evidence(text: str) -> None:
    assert Evidence.parse(text) is None


# What is tied to the library, and what is not


def test_days_cases_adoption_and_value_are_never_tied_to_the_library() -> None:
    of_time = {"shadow-long-enough", "override-in-band", "adoption-at-target", "value-metric", "outcomes-join"}
    of_time |= {"payoff-accepted", "live-quality-watched", "beats-baseline"}
    for entry in catalogue().checks:
        if entry.id in of_time or entry.by == "make observe":
            assert not {"code", *ROOMS} & set(entry.tied_to), entry.id
            of_time.discard(entry.id)
    assert not of_time


def test_an_edited_decision_makes_stale_what_was_shown_of_the_four_files_and_no_drill(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(PROJECT / "src" / "fraud_scoring", tmp_path / "src" / "edited_scoring"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "src")
    before = evidence_store.digests(settings, Project("edited_scoring").seam())
    decision = copy / "decision.py"
    decision.write_text(decision.read_text().replace("GOODWILL = 0.15", "GOODWILL = 0.2"))
    after = evidence_store.digests(settings, Project("edited_scoring").seam())
    assert {subject for subject in before if before[subject] != after[subject]} == {"domain"}
    stale = {entry.id for entry in catalogue().checks if "domain" in entry.tied_to}
    assert {"tests-green", "checks-green", "payoff-accepted", "data-is-real"} < stale
    assert stale.isdisjoint(entry.id for entry in DRILLS)


@pytest.mark.parametrize(
    ("version", "release"), [("0.2.0", "mlprod 0.2.0"), ("0.2.0+org.3", "mlprod 0.2.0 before patches/"), ("", "mlprod")]
)
def test_evidence_of_the_librarys_tests_shows_that_it_was_patched_since(version: str, release: str) -> None:
    assert Library(version).tested_release == release
