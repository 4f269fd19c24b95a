import itertools

import pytest
from filled import Filled, filled

from mlprod.governance.risk import Risks

__all__ = ["filled"]
FILE = "governance/risk.yaml"
QUESTIONS = ("about_people", "personal_data", "acts_without_review")


@pytest.mark.parametrize("answers", [*itertools.product([True, False], repeat=3)])
def test_the_tier_is_how_often_yes_was_said(filled: Filled, answers: tuple[bool, ...]) -> None:
    filled.answer(**dict(zip(QUESTIONS, answers, strict=True)))
    assert filled.org.risk.tier == {0: "C", 1: "B", 2: "A", 3: "A"}[sum(answers)]


@pytest.mark.parametrize("unanswered", QUESTIONS)
def test_what_is_not_answered_counts_as_yes(filled: Filled, unanswered: str) -> None:
    filled.answer(**{question: False for question in QUESTIONS if question != unanswered})
    assert filled.org.risk.tier == "B"


def test_a_file_that_says_nothing_is_of_tier_a(filled: Filled) -> None:
    assert Risks().tier == "A"
    (filled.folder / "risk.yaml").unlink()
    assert filled.failing().keys() == {
        "risks-owned",
        "risk-classified",
        "oversight-named",
        "logs-kept",
    }


@pytest.mark.parametrize(
    ("check", "before", "after", "says"),
    [
        ("risks-owned", ", mitigation: a gate", "", "risks[0] (unfair): mitigation is not said"),
        ("risks-owned", ", review_by: 2026-08-01", "", "risks[0] (unfair): review_by: no day"),
        (
            "risks-owned",
            "review_by: 2026-08-01",
            "review_by: 2026-05-31",
            "risks[0] (unfair): review_by: 2026-05-31",
        ),
        ("risk-classified", "; confirmed by counsel", "", ""),
        (
            "risk-classified",
            "why: a person reviews it; confirmed by counsel",
            "why: ''",
            "classification: say eu_ai_act",
        ),
        (
            "risk-classified",
            "eu_ai_act: limited",
            "eu_ai_act: unacceptable",
            "classification.eu_ai_act: unacceptable",
        ),
        (
            "oversight-named",
            "stop: [platform_owner]",
            "stop: []",
            "oversight.stop: names no known person",
        ),
        (
            "oversight-named",
            "stop: [platform_owner]",
            "stop: [anyone]",
            "oversight.stop: names no known person",
        ),
        (
            "oversight-named",
            ", competent_people: [model_owner]",
            "",
            "oversight.competent_people: names no known",
        ),
        ("logs-kept", "retention_days: 365", "retention_days: 182", "logging.retention_days: 182"),
        (
            "logs-kept",
            "retention_days: 365",
            "personal_data: none",
            "logging.retention_days: not said",
        ),
        ("logs-kept", "retention_days: 365", "retention_days: 183", ""),
    ],
)
def test_one_thing_that_is_missing_is_named(
    filled: Filled, check: str, before: str, after: str, says: str
) -> None:
    filled.change("risk.yaml", before, after)
    if says:
        filled.only(check, f"{FILE}: {says}")
    else:
        assert filled.failing() == {}


def test_an_owner_of_a_risk_who_has_left_owns_nothing(filled: Filled) -> None:
    filled.change("risk.yaml", "owner: model_owner", "owner: author")
    filled.change(
        "ownership.yaml",
        "handle: gil, deputy: model_owner",
        "handle: gil, deputy: model_owner, until: 2026-05-31",
    )
    assert f"{FILE}: risks[0] (unfair): owner: author" in filled.failing()["risks-owned"][0]


def test_no_system_is_without_risks(filled: Filled) -> None:
    risks = next(
        line
        for line in (filled.folder / "risk.yaml").read_text().splitlines()
        if "id: unfair" in line
    )
    filled.change("risk.yaml", f"risks:\n{risks}\n", "")
    filled.only("risks-owned", f"{FILE}: risks: none is said")
