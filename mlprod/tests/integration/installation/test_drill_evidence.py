"""Evidence of a drill depends on the rooms of the library that the drill exercises.

The tests show the effect of a patch, a release or an edit.
"""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from filled import DIGESTS, NOW, evidence
from fixture_project import PROJECT
from installed_wheels import DRILLS, STOP, drilled, install, judged, patch, project

from mlprod.governance.check_catalogue import ROOMS, CheckDefinition, catalogue
from mlprod.governance.evidence import Evidence
from mlprod.governance.evidence_status import judge_evidence
from mlprod.installation.installed import Library
from mlprod.project.project import Project
from mlprod.settings import Settings
from mlprod.training import evidence_store

__all__ = ["install", "project"]  # fixtures


@pytest.mark.parametrize(
    ("patched", "status", "why"),
    [
        ("governance/waivers.py", "passed", "1, must be <= 5"),
        ("training/train.py", "passed", "1, must be <= 5"),
        ("assets/project/docs/drift.md", "passed", "1, must be <= 5"),
        ("settings.py", "passed", "1, must be <= 5"),
        (
            "serving/mode_follower.py",
            "stale",
            "was shown on 2026-05-31; mlprod.serving has changed since",
        ),
        ("records/mode.py", "stale", "was shown on 2026-05-31; mlprod.records has changed since"),
    ],
)
def test_a_kill_switch_drill_stays_valid_after_a_patch_of_an_unrelated_room(
    install: Callable[..., Library], patched: str, status: str, why: str
) -> None:
    record = drilled(STOP, install("1.2.3"))
    result = judged(STOP, record, install("1.2.4", patch(patched)))
    assert result.status == status
    assert result.why.startswith(why)


def test_every_room_that_changed_is_named(install: Callable[..., Library]) -> None:
    record = drilled(STOP, install("1.2.3"))
    result = judged(STOP, record, install("1.2.4", patch("serving/app.py", "records/mode.py")))
    assert (
        result.why
        == "was shown on 2026-05-31; mlprod.records and mlprod.serving have changed since"
    )


@pytest.mark.parametrize(
    "entry", [entry for entry in DRILLS if entry.verified_by], ids=lambda entry: entry.id
)
def test_a_patch_release_whose_own_tests_prove_a_drill_keeps_it_valid(
    install: Callable[..., Library], entry: CheckDefinition
) -> None:
    rooms = [name.removeprefix("mlprod.") for name in entry.tied_to if name in ROOMS]
    record = drilled(entry, install("1.2.3"))
    change = patch(*(f"{room}/__init__.py" for room in rooms))
    assert judged(entry, record, install("1.2.4", change)).status == "stale"
    result = judged(entry, record, install("1.2.4", change, proved=True))
    assert result.status == "passed"
    assert "since then mlprod 1.2.4 changed mlprod." in result.why
    assert f"and passed {3 * len(entry.verified_by)} tests of it" in result.why


@pytest.mark.parametrize("version", ["1.3.0", "2.0.0", "1.2.2", "1.2.4.dev1", "1.2.4+org.1"])
def test_a_version_that_is_not_a_later_patch_release_needs_a_new_drill(
    install: Callable[..., Library], version: str
) -> None:
    record = drilled(STOP, install("1.2.3"))
    assert (
        judged(STOP, record, install(version, patch("serving/app.py"), proved=True)).status
        == "stale"
    )


def test_tests_that_ran_with_other_code_prove_nothing(
    install: Callable[..., Library], project: Path
) -> None:
    record = drilled(STOP, install("1.2.3"))
    proved = install("1.2.4", patch("serving/app.py"), proved=True)
    assert judged(STOP, record, proved).status == "passed"
    verified = (project / "site" / "mlprod" / "verified.json").read_bytes()

    def patched_again(files: dict[str, bytes]) -> None:
        patch("serving/app.py", "serving/mode_state.py")(files)
        files["mlprod/verified.json"] = verified

    assert judged(STOP, record, install("1.2.5", patched_again)).status == "stale"


def test_a_drill_is_not_proved_if_one_of_its_tests_is_missing(
    install: Callable[..., Library],
) -> None:
    record = drilled(STOP, install("1.2.3"))
    proved = install("1.2.4", patch("serving/app.py"), proved=True)
    passed = dict.fromkeys(STOP.verified_by[1:], 3)
    fewer = Library(proved.version, proved.checksum, proved.rooms, passed, proved.passed_with)
    assert judged(STOP, record, fewer).status == "stale"


def test_a_patch_release_proves_nothing_of_another_contract_or_image(
    install: Callable[..., Library],
) -> None:
    record = drilled(STOP, install("1.2.3"))
    record.digests["project"] = "other files"
    result = judged(STOP, record, install("1.2.4", patch("serving/app.py"), proved=True))
    assert result.why == "was shown on 2026-05-31 for another project than today's"


# A wheel whose bytes are not the pinned ones


def test_evidence_of_the_first_version_is_stale_with_a_reason() -> None:
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
    result = judge_evidence(STOP, [record], DIGESTS, NOW)
    assert result.status == "stale"
    assert result.why == (
        "evidence of 2026-05-31 does not count: an older mlprod wrote it and did not record the "
        "code of mlprod.project, mlprod.records and mlprod.serving"
    )


def test_evidence_of_a_later_version_is_read_without_its_unknown_keys() -> None:
    later = json.loads(evidence("stop-drilled").model_dump_json())
    later |= {"weather": "fine", "digests": later["digests"] | {"mlprod.oracle": "o"}}
    record = Evidence.parse(json.dumps(later))
    assert record == evidence("stop-drilled")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"digests": []}', '{"check": "stop-drilled"}']
)
def test_text_that_is_not_a_record_is_ignored(text: str) -> None:
    assert Evidence.parse(text) is None


# Evidence that depends on the library, and evidence that does not


def test_days_cases_adoption_and_value_are_never_tied_to_the_library() -> None:
    of_time = {
        "shadow-long-enough",
        "override-in-band",
        "adoption-at-target",
        "value-metric",
        "outcomes-join",
    }
    of_time |= {"payoff-accepted", "live-quality-watched", "beats-baseline"}
    for entry in catalogue().checks:
        if entry.id in of_time or entry.by == "make collect-evidence":
            assert not {"code", *ROOMS} & set(entry.tied_to), entry.id
            of_time.discard(entry.id)
    assert not of_time


def test_an_edited_decision_makes_evidence_of_the_four_files_stale_but_no_drill(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(
        shutil.copytree(PROJECT / "src" / "fraud_scoring", tmp_path / "src" / "edited_scoring")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "src")
    before = evidence_store.digests(settings, Project("edited_scoring").seam())
    decision = copy / "decision.py"
    decision.write_text(decision.read_text().replace("0.01, 0.15", "0.01, 0.2"))
    after = evidence_store.digests(settings, Project("edited_scoring").seam())
    assert {subject for subject in before if before[subject] != after[subject]} == {"domain"}
    stale = {entry.id for entry in catalogue().checks if "domain" in entry.tied_to}
    assert {"tests-green", "checks-green", "payoff-accepted", "data-is-real"} < stale
    assert stale.isdisjoint(entry.id for entry in DRILLS)
