from datetime import timedelta
from typing import Any

import pytest
from filled import DIGESTS, NOW, by_hand, entry, evidence
from pydantic import ValidationError

from mlprod.governance.check_catalogue import ROOMS, SUBJECTS, CheckDefinition, Subject
from mlprod.governance.evidence import Evidence
from mlprod.governance.evidence_status import EvidenceStatus, judge_evidence

# Its value must be > 0, and it is tied to a bundle.
CHECK = "beats-baseline"
WHOLE = CheckDefinition(
    id="whole", section="Model", title="all", outcome="serving", by="make it", tied_to=SUBJECTS
)
DAY = timedelta(days=1)


def judged(
    check: str, *records: Evidence, digests: dict[Subject, str] = DIGESTS, **options: Any
) -> EvidenceStatus:
    return judge_evidence(entry(check), records, digests, NOW, **options)


def test_evidence_of_yesterday_for_an_unchanged_subject_counts() -> None:
    result = judged(CHECK, evidence(CHECK))
    assert result.status == "passed"
    assert result.why == "2, must be > 0 (2026-05-31, gil@example.org, ci 17)"


def test_check_without_evidence_is_unmeasured() -> None:
    assert judged(CHECK).status == "unmeasured"
    assert judged(CHECK, evidence("gates-passed")).status == "unmeasured"


def test_evidence_that_did_not_pass_is_failed() -> None:
    result = judged(CHECK, evidence(CHECK, value=-1.0, passed=False))
    assert (result.status, result.why[:2]) == ("failed", "-1")


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"at": NOW + timedelta(minutes=6)}, "dated in the future"),
        ({"value": -1.0}, "it claims passed with -1.0, but > 0 is required"),
        ({"value": 0.0}, "it claims passed with 0.0, but > 0 is required"),
        ({"value": None}, "it claims passed with None, but > 0 is required"),
        ({"value": "plenty"}, "it claims passed with plenty, but > 0 is required"),
        ({"value": -1.0, "threshold": "> -2"}, "but > 0 is required"),
        ({"value": 1.0, "passed": False}, "it claims failed with 1.0, but > 0 is required"),
        ({"run": ""}, "names no run of the CI"),
        ({"digests": {}}, "does not name its bundle"),
        ({"digests": {"bundle": ""}}, "does not name its bundle"),
        ({"digests": {"code": "today's code"}}, "does not name its bundle"),
    ],
)
def test_impossible_record_does_not_count(forged: dict[str, Any], why: str) -> None:
    result = judged(CHECK, evidence(CHECK, **forged))
    assert result.status == "stale"
    assert why in result.why


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        evidence(CHECK, value=value)


@pytest.mark.parametrize(
    "anomalies",
    [
        {"valid_days": 0},
        {"valid_days": 367},
        {"check": ""},
        {"actor": ""},
        {"at": NOW.replace(tzinfo=None)},
        {"more": 1},
    ],
)
def test_invalid_record_is_refused(anomalies: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Evidence.model_validate(evidence(CHECK).model_dump() | anomalies)


def test_record_from_four_minutes_ahead_counts() -> None:
    assert judged(CHECK, evidence(CHECK, at=NOW + timedelta(minutes=4))).status == "passed"


@pytest.mark.parametrize(
    ("check", "says", "days", "status"),
    [
        (CHECK, 90, 90, "passed"),
        (CHECK, 90, 91, "stale"),
        # Longer than the catalog allows.
        (CHECK, 366, 91, "stale"),
        (CHECK, 10, 11, "stale"),
        ("outcomes-join", 366, 7, "passed"),
        ("outcomes-join", 366, 8, "stale"),
    ],
)
def test_old_evidence_is_stale(check: str, says: int, days: int, status: str) -> None:
    result = judged(check, evidence(check, at=NOW - days * DAY, valid_days=says))
    assert result.status == status
    assert status == "passed" or "too long ago" in result.why


@pytest.mark.parametrize("changed", SUBJECTS)
def test_evidence_of_a_changed_subject_is_stale(changed: Subject) -> None:
    record = evidence(CHECK).model_copy(update={"check": "whole", "digests": DIGESTS})
    assert judge_evidence(WHOLE, [record], DIGESTS, NOW).status == "passed"
    today: dict[Subject, str] = {**DIGESTS, changed: "another"}
    result = judge_evidence(WHOLE, [record], today, NOW)
    assert result.status == "stale"
    ends = (
        f"; {changed} has changed since"
        if changed in ROOMS
        else f" for another {changed} than today's"
    )
    assert result.why == f"was shown on 2026-05-31{ends}"


def test_evidence_of_a_model_is_stale_without_a_model() -> None:
    assert judged(CHECK, evidence(CHECK), digests={"code": "today's code"}).status == "stale"


def test_evidence_of_another_bundle_does_not_hide_that_of_ours() -> None:
    foreign = evidence(CHECK, value=-1.0, passed=False, at=NOW, digests={"bundle": "foreign"})
    assert judged(CHECK, evidence(CHECK), foreign).status == "passed"


def test_newest_record_decides() -> None:
    failed = evidence(CHECK, value=-1.0, passed=False, at=NOW)
    for records in ([evidence(CHECK), failed], [failed, evidence(CHECK)]):
        assert judged(CHECK, *records).status == "failed"
    assert judged(CHECK, failed, evidence(CHECK, at=NOW + timedelta(minutes=1))).status == "passed"


def test_failure_of_the_same_second_decides() -> None:
    failed = evidence(CHECK, value=-1.0, passed=False)
    for records in ([evidence(CHECK), failed], [failed, evidence(CHECK)]):
        assert judged(CHECK, *records).status == "failed"


def test_only_records_of_the_ci_count_if_required() -> None:
    assert judged(CHECK, by_hand(CHECK)).status == "passed"
    result = judged(CHECK, by_hand(CHECK), only_ci=True)
    assert result.status == "stale"
    assert "outside the CI" in result.why
    assert (
        judged(
            CHECK, evidence(CHECK), by_hand(CHECK, at=NOW, value=-1.0, passed=False), only_ci=True
        ).status
        == "passed"
    )


@pytest.mark.parametrize(
    ("actor", "status"),
    [("ada@example.org", "passed"), ("ADA@example.org", "passed"), ("gil@example.org", "stale")],
)
def test_only_the_accountable_person_can_attest(actor: str, status: str) -> None:
    result = judged(
        "payoff-accepted", by_hand("payoff-accepted", actor=actor), only_by="ada@example.org"
    )
    assert result.status == status
    assert (
        status == "passed"
        or "gil@example.org attested it on 2026-05-31; ada@example.org must" in result.why
    )
