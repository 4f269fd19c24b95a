from datetime import timedelta
from typing import Any

import pytest
from filled import DIGESTS, NOW, by_hand, entry, evidence
from pydantic import ValidationError

from mlprod.governance.check_catalogue import ROOMS, SUBJECTS, CheckDefinition, Subject
from mlprod.governance.evidence import Evidence
from mlprod.governance.evidence_status import EvidenceStatus, judge

TRIED = "beats-baseline"  # must be > 0, of a bundle
WHOLE = CheckDefinition(
    id="whole", section="Model", title="all", outcome="serving", by="make it", tied_to=SUBJECTS
)
DAY = timedelta(days=1)


def judged(
    check: str, *records: Evidence, digests: dict[Subject, str] = DIGESTS, **how: Any
) -> EvidenceStatus:
    return judge(entry(check), records, digests, NOW, **how)


def test_what_was_shown_yesterday_of_what_is_here_counts() -> None:
    result = judged(TRIED, evidence(TRIED))
    assert result.status == "passed"
    assert result.why == "2, must be > 0 (2026-05-31, gil@example.org, ci 17)"


def test_what_was_never_shown_is_unmeasured() -> None:
    assert judged(TRIED).status == "unmeasured"
    assert judged(TRIED, evidence("gates-passed")).status == "unmeasured"


def test_what_did_not_pass_has_failed() -> None:
    result = judged(TRIED, evidence(TRIED, value=-1.0, passed=False))
    assert (result.status, result.why[:2]) == ("failed", "-1")


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"at": NOW + timedelta(minutes=6)}, "dated in the future"),
        ({"value": -1.0}, "it says passed with -1.0, where > 0 is asked"),
        ({"value": 0.0}, "it says passed with 0.0, where > 0 is asked"),
        ({"value": None}, "it says passed with None, where > 0 is asked"),
        ({"value": "plenty"}, "it says passed with plenty, where > 0 is asked"),
        ({"value": -1.0, "threshold": "> -2"}, "where > 0 is asked"),
        ({"value": 1.0, "passed": False}, "it says failed with 1.0, where > 0 is asked"),
        ({"run": ""}, "names no run of the CI"),
        ({"digests": {}}, "does not say of which bundle"),
        ({"digests": {"bundle": ""}}, "does not say of which bundle"),
        ({"digests": {"code": "today's code"}}, "does not say of which bundle"),
    ],
)
def test_what_the_command_cannot_have_written_does_not_count(
    forged: dict[str, Any], why: str
) -> None:
    result = judged(TRIED, evidence(TRIED, **forged))
    assert result.status == "stale"
    assert why in result.why


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_is_a_number(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        evidence(TRIED, value=value)


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
def test_what_is_no_record_is_refused(anomalies: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Evidence.model_validate(evidence(TRIED).model_dump() | anomalies)


def test_clocks_may_differ_by_minutes() -> None:
    assert judged(TRIED, evidence(TRIED, at=NOW + timedelta(minutes=4))).status == "passed"


@pytest.mark.parametrize(
    ("check", "says", "days", "status"),
    [
        (TRIED, 90, 90, "passed"),
        (TRIED, 90, 91, "stale"),
        (TRIED, 366, 91, "stale"),  # longer than the catalogue allows
        (TRIED, 10, 11, "stale"),
        ("outcomes-join", 366, 7, "passed"),
        ("outcomes-join", 366, 8, "stale"),
    ],
)
def test_evidence_grows_old(check: str, says: int, days: int, status: str) -> None:
    result = judged(check, evidence(check, at=NOW - days * DAY, valid_days=says))
    assert result.status == status
    assert status == "passed" or "too long ago" in result.why


@pytest.mark.parametrize("changed", SUBJECTS)
def test_what_was_shown_of_something_else_is_stale(changed: Subject) -> None:
    record = evidence(TRIED).model_copy(update={"check": "whole", "digests": DIGESTS})
    assert judge(WHOLE, [record], DIGESTS, NOW).status == "passed"
    today: dict[Subject, str] = {**DIGESTS, changed: "another"}
    result = judge(WHOLE, [record], today, NOW)
    assert result.status == "stale"
    ends = (
        f"; {changed} has changed since"
        if changed in ROOMS
        else f" of another {changed} than today's"
    )
    assert result.why == f"was shown on 2026-05-31{ends}"


def test_without_a_model_nothing_is_shown_of_it() -> None:
    assert judged(TRIED, evidence(TRIED), digests={"code": "today's code"}).status == "stale"


def test_evidence_of_a_foreign_bundle_does_not_hide_that_of_ours() -> None:
    foreign = evidence(TRIED, value=-1.0, passed=False, at=NOW, digests={"bundle": "foreign"})
    assert judged(TRIED, evidence(TRIED), foreign).status == "passed"


def test_a_newer_failure_beats_an_older_pass_and_the_other_way_round() -> None:
    failed = evidence(TRIED, value=-1.0, passed=False, at=NOW)
    for records in ([evidence(TRIED), failed], [failed, evidence(TRIED)]):
        assert judged(TRIED, *records).status == "failed"
    assert judged(TRIED, failed, evidence(TRIED, at=NOW + timedelta(minutes=1))).status == "passed"


def test_of_the_same_second_the_failure_counts() -> None:
    failed = evidence(TRIED, value=-1.0, passed=False)
    for records in ([evidence(TRIED), failed], [failed, evidence(TRIED)]):
        assert judged(TRIED, *records).status == "failed"


def test_where_the_ci_must_have_written_it_nothing_else_counts() -> None:
    assert judged(TRIED, by_hand(TRIED)).status == "passed"
    result = judged(TRIED, by_hand(TRIED), only_ci=True)
    assert result.status == "stale"
    assert "outside the CI" in result.why
    assert (
        judged(
            TRIED, evidence(TRIED), by_hand(TRIED, at=NOW, value=-1.0, passed=False), only_ci=True
        ).status
        == "passed"
    )


@pytest.mark.parametrize(
    ("actor", "status"),
    [("ada@example.org", "passed"), ("ADA@example.org", "passed"), ("gil@example.org", "stale")],
)
def test_where_somebody_must_say_it_nobody_else_can(actor: str, status: str) -> None:
    result = judged(
        "payoff-accepted", by_hand("payoff-accepted", actor=actor), only_by="ada@example.org"
    )
    assert result.status == status
    assert (
        status == "passed"
        or "gil@example.org said so on 2026-05-31; ada@example.org must" in result.why
    )
