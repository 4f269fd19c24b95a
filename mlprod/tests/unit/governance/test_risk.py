import itertools

import pytest
from filled import FILES, Filled, filled

from mlprod.governance.risk import Risks

__all__ = ["filled"]
FILE = "governance/risk.yaml"
QUESTIONS = ("about_people", "personal_data", "acts_without_review")


@pytest.mark.parametrize("answers", [*itertools.product([True, False], repeat=3)])
def test_tier_follows_from_the_number_of_yes(filled: Filled, answers: tuple[bool, ...]) -> None:
    filled.answer(**dict(zip(QUESTIONS, answers, strict=True)))
    assert filled.org.risk.tier == {0: "C", 1: "B", 2: "A", 3: "A"}[sum(answers)]


@pytest.mark.parametrize("unanswered", QUESTIONS)
def test_missing_answer_counts_as_yes(filled: Filled, unanswered: str) -> None:
    filled.answer(**{question: False for question in QUESTIONS if question != unanswered})
    assert filled.org.risk.tier == "B"


def test_empty_file_has_tier_a(filled: Filled) -> None:
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
        (
            "risks-owned",
            ", mitigation: a gate",
            "",
            "risks[0] (unfair): mitigation is not filled in",
        ),
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
            "classification: fill in eu_ai_act",
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
            "oversight.stop: nobody; use the id of a person",
        ),
        (
            "oversight-named",
            "stop: [platform_owner]",
            "stop: [anyone]",
            "oversight.stop: anyone; use the id of a person",
        ),
        (
            "oversight-named",
            ", competent_people: [model_owner]",
            "",
            "oversight.competent_people: nobody; use the id",
        ),
        ("logs-kept", "retention_days: 365", "retention_days: 182", "logging.retention_days: 182"),
        (
            "logs-kept",
            "retention_days: 365",
            "personal_data: none",
            "logging.retention_days: not filled in",
        ),
        ("logs-kept", "retention_days: 365", "retention_days: 183", ""),
    ],
)
def test_missing_entry_is_reported_with_its_key(
    filled: Filled, check: str, before: str, after: str, says: str
) -> None:
    filled.change("risk.yaml", before, after)
    if says:
        filled.only(check, f"{FILE}: {says}")
    else:
        assert filled.failing() == {}


def test_owner_of_a_risk_who_has_left_is_reported(filled: Filled) -> None:
    filled.change("risk.yaml", "owner: model_owner", "owner: author")
    filled.change(
        "ownership.yaml",
        "handle: gil, deputy: model_owner",
        "handle: gil, deputy: model_owner, until: 2026-05-31",
    )
    assert f"{FILE}: risks[0] (unfair): owner: author" in filled.failing()["risks-owned"][0]


def test_file_without_risks_is_reported(filled: Filled) -> None:
    text = FILES["risk.yaml"]
    filled.change("risk.yaml", text[text.index("risks:") : text.index("oversight:")], "")
    filled.only("risks-owned", f"{FILE}: risks: none; add at least one")
