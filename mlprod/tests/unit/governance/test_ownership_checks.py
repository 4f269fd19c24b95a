from datetime import timedelta

import pytest
from filled import TODAY, Filled, filled

from mlprod.governance.checks.context import ACTIVE_PERSON, Drill
from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
FILE = "governance/ownership.yaml"
ADA = "name: Ada Invented, email: ada@example.org"
ACCEPTED = "outcome: business_value, date: 2026-05-04, review_by: 2026-07-31, evidence: p/1"


def test_complete_files_pass_every_check(filled: Filled) -> None:
    assert filled.failing() == {}


@pytest.mark.parametrize(
    ("accountable", "says"),
    [
        (
            "[value_owner, author]",
            r"outcomes\[0\].accountable: .*2 people; exactly one is accountable",
        ),
        ("[]", r"outcomes\[0\].accountable: .*0 people; exactly one is accountable"),
        ("fraud-team", "business_value: accountable 'fraud-team' is a team; name one person"),
        ("nobody", "business_value: accountable 'nobody' is not in people"),
        ("", r"outcomes\[0\].accountable: Input should be a valid string"),
    ],
)
def test_exactly_one_person_is_accountable(filled: Filled, accountable: str, says: str) -> None:
    filled.change(
        "ownership.yaml",
        "business_value, accountable: value_owner",
        f"business_value, accountable: {accountable}",
    )
    with pytest.raises(GovernanceError, match=says) as refused:
        _ = filled.org
    assert str(filled.folder / "ownership.yaml") in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (
            "deputy: data_owner",
            "deputy: data_owner, until: 2026-06-01",
            ("model_quality", "left on 2026-06-01"),
        ),
        (
            "deputy: data_owner",
            "deputy: data_owner, from: 2026-06-02",
            ("model_quality", "starts on 2026-06-02"),
        ),
        (
            "deputy: data_owner",
            "deputy: data_owner, until: 2026-05-31, replaced_by: author",
            ("model_quality", "left on 2026-05-31; name author"),
        ),
    ],
)
def test_absent_person_is_not_accountable(
    filled: Filled, before: str, after: str, texts: tuple[str, ...]
) -> None:
    filled.change("ownership.yaml", before, after)
    result = filled.failing()["owners-named"]
    assert len(result) == 1
    assert result[0].startswith(
        f"{FILE}: outcomes: {texts[0]}: accountable: Bea Invented {texts[1]}"
    )


def test_day_before_the_last_one_counts(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "deputy: data_owner",
        "deputy: data_owner, until: 2026-06-02, from: 2026-06-01",
    )
    assert filled.failing() == {}


@pytest.mark.parametrize(
    "nobody",
    ["name: TODO, email: TODO", "name: ' ', email: cy@example.org", "name: Cy, email: TODO"],
)
def test_entry_without_a_name_is_nobody(filled: Filled, nobody: str) -> None:
    filled.change("ownership.yaml", "name: Cy Invented, email: cy@example.org", nobody)
    (message,) = filled.failing()["owners-named"]
    assert message.startswith(
        f"{FILE}: people: data_owner: nobody is named who is accountable for data_quality"
    )


def test_missing_outcome_is_reported(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "  - {id: cost, accountable: value_owner, responsible: [platform_owner]}\n",
        "",
    )
    filled.only("owners-named", f"{FILE}: outcomes: cost is missing")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deputy: author", "deputy: ''"),
        ("deputy: author", "deputy: platform_owner"),
        ("name: Gil Invented, email: gil@example.org", "name: D. Invented, email: DEE@example.org"),
        (
            "name: Gil Invented, email: gil@example.org",
            "until: 2026-05-31, name: Gil Invented, email: gil@example.org",
        ),
    ],
)
def test_deputy_must_be_another_active_person(filled: Filled, before: str, after: str) -> None:
    filled.change("ownership.yaml", before, after)
    result = filled.failing(drills=(Drill("dee@example.org", "beats-baseline", TODAY),))
    (message,) = result.pop("owners-have-deputies")
    assert message.startswith(f"{FILE}: people: platform_owner: deputy: ")
    # A person who has left shows no skill.
    assert set(result) <= {"skills-covered"}


def test_outcome_without_responsible_people_is_reported(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "serving, accountable: platform_owner, responsible: [platform_owner]",
        "serving, accountable: platform_owner",
    )
    filled.only("someone-is-responsible", f"{FILE}: outcomes: serving: responsible: nobody")


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (
            "outcome: cost, date: 2026-05-04, review_by: 2026-07-31, evidence: p/1",
            "value_owner has not accepted",
        ),
        (ACCEPTED.replace(", evidence: p/1", ""), "evidence: name the merge request"),
        (
            ACCEPTED.replace("2026-07-31", "2026-05-31"),
            "review_by: 2026-05-31 has passed; ask value_owner again",
        ),
        (ACCEPTED.replace("2026-05-04", "2026-06-02"), "date: 2026-06-02 is in the future"),
        (
            ACCEPTED.replace("2026-07-31", "2026-08-05"),
            "review_by: 2026-08-05 is more than a quarter after 2026-05-04",
        ),
    ],
)
def test_incomplete_acceptance_is_reported(filled: Filled, after: str, says: str) -> None:
    filled.change("ownership.yaml", ACCEPTED, after)
    filled.only("owners-accepted", f"{FILE}: accepted: business_value: {says}")


def test_acceptance_of_another_person_does_not_count(filled: Filled) -> None:
    filled.change(
        "ownership.yaml", f"person: value_owner, {ACCEPTED}", f"person: author, {ACCEPTED}"
    )
    filled.only(
        "owners-accepted", f"{FILE}: accepted: business_value: value_owner has not accepted"
    )


def test_newest_acceptance_counts(filled: Filled) -> None:
    older = "person: value_owner, outcome: business_value, date: 2025-05-04, review_by: 2025-07-31"
    filled.change("ownership.yaml", "accepted:\n", "accepted:\n  - {" + older + "}\n")
    assert filled.failing() == {}


def overload(filled: Filled, who: str) -> None:
    filled.change(
        "ownership.yaml", "adoption, accountable: adoption_owner", f"adoption, accountable: {who}"
    )
    filled.change(
        "ownership.yaml",
        "data_quality, accountable: data_owner",
        f"data_quality, accountable: {who}",
    )


def test_four_outcomes_of_one_person_are_too_many_at_tier_a(filled: Filled) -> None:
    overload(filled, "value_owner")
    result = filled.failing()
    assert result.keys() == {"owners-not-overloaded", "owners-accepted"}
    (message,) = result["owners-not-overloaded"]
    assert message.startswith(
        f"{FILE}: outcomes: value_owner is accountable for 4 (business_value, data_quality, "
        f"adoption, cost)"
    )
    filled.tier("B")
    assert "owners-not-overloaded" not in filled.failing()


def test_three_outcomes_of_one_person_are_allowed(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "adoption, accountable: adoption_owner",
        "adoption, accountable: value_owner",
    )
    assert filled.failing().keys() == {"owners-accepted"}


def test_person_with_two_ids_counts_as_one(filled: Filled) -> None:
    overload(filled, "adoption_owner")
    filled.change("ownership.yaml", "email: flo@example.org", "email: Ada@Example.org")
    result = filled.failing()["owners-not-overloaded"]
    assert len(result) == 1
    assert "value_owner is accountable for 4" in result[0]


@pytest.mark.parametrize(
    ("before", "after", "author"),
    [
        (
            "model_owner, responsible: [author]",
            "model_owner, responsible: [author, value_owner]",
            "value_owner",
        ),
        (
            "name: Gil Invented, email: gil@example.org",
            "name: A. I., email: ADA@example.org",
            "author",
        ),
        ("model_owner, responsible: [author]", "model_owner, responsible: [desk]", "value_owner"),
    ],
)
def test_author_who_owns_the_gates_is_reported(
    filled: Filled, before: str, after: str, author: str
) -> None:
    filled.change(
        "ownership.yaml", "teams:\n", "teams:\n  - {id: desk, members: [author, value_owner]}\n"
    )
    filled.change("ownership.yaml", before, after)
    message = f"{FILE}: outcomes: model_quality: responsible: {author} makes the model"
    filled.only(
        "gates-owned-apart",
        message,
        drills=(Drill("ada@example.org", "beats-baseline", TODAY), *filled.view().drills),
    )


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"folders": ("src", "deploy")}, "covers.paths: no outcome covers the folder deploy"),
        ({"folders": ("srcs",)}, "covers.paths: no outcome covers the folder srcs"),
        ({"alerts": (("Late", ""), ("Odd", ""))}, "covers.alerts: no outcome covers the alert Odd"),
        ({"alerts": (("Odd", "weather"),)}, "covers.alerts: no outcome covers the alert Odd"),
    ],
)
def test_folder_or_alert_without_an_outcome_is_reported(
    filled: Filled, facts: dict[str, object], says: str
) -> None:
    filled.only("everything-covered", f"{FILE}: outcomes: {says}", **facts)


def test_risk_without_owner_and_outcome_is_reported(filled: Filled) -> None:
    filled.change("risk.yaml", "owner: model_owner", "owner: somebody")
    result = filled.failing()
    assert result.keys() == {"everything-covered", "risks-owned"}
    assert result["everything-covered"][0].startswith(
        f"{FILE}: outcomes: covers.risks: no outcome covers the risk unfair"
    )
    filled.change("ownership.yaml", "alerts: [Late]", "alerts: [Late], risks: [unfair]")
    assert filled.failing().keys() == {"risks-owned"}


@pytest.mark.parametrize(
    ("actor", "check", "days", "shown"),
    [
        ("gil@example.org", "beats-baseline", 180, True),
        ("GIL@example.org", "beats-baseline", 0, True),
        ("gil@example.org", "beats-baseline", 181, False),
        ("gil@example.org", "stop-drilled", 0, False),
        ("ada@example.org", "beats-baseline", 0, False),
    ],
)
def test_skill_counts_after_a_recent_drill_of_its_person(
    filled: Filled, actor: str, check: str, days: int, shown: bool
) -> None:
    drill = Drill(actor, check, TODAY - timedelta(days=days))
    if shown:
        assert filled.failing(drills=(drill,)) == {}
    else:
        filled.only(
            "skills-covered",
            f"{FILE}: skills: ml: nobody has shown it in 180 days",
            drills=(drill,),
        )


def test_gap_requires_an_action_and_a_future_day(filled: Filled) -> None:
    filled.change("ownership.yaml", "due: 2026-09-30", "due: 2026-05-31")
    filled.only("skills-covered", f"{FILE}: skills: gaps: kubernetes: due: 2026-05-31 has passed")
    filled.change("ownership.yaml", "skill: kubernetes, action: hire", "skill: kubernetes")
    with pytest.raises(
        GovernanceError, match=r"ownership.yaml:\n  skills.gaps\[0\].action: Field required"
    ):
        filled.failing()


@pytest.mark.parametrize(
    "other", ["email: Ada+model@example.org, handle: gil", "email: x@y.org, handle: '@ADA'"]
)
def test_person_is_recognized_by_mailbox_and_account(filled: Filled, other: str) -> None:
    assert not filled.org.ownership.is_same_person("value_owner", "author")
    filled.change("ownership.yaml", "email: gil@example.org, handle: gil", other)
    assert filled.org.ownership.is_same_person("value_owner", "author")
    assert "author makes the model" in filled.failing()["gates-owned-apart"][0]


def test_owner_of_a_gap_must_be_active(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "Dee Invented, email: dee@example.org",
        "Dee Invented, until: 2026-05-31, email: d@x.org",
    )
    says = filled.failing()["skills-covered"]
    assert says == [f"{FILE}: skills: gaps: kubernetes: owner: platform_owner; {ACTIVE_PERSON}"]


def test_outdated_generated_file_is_named(filled: Filled) -> None:
    filled.only("generated-files-agree", "CODEOWNERS: differs", outdated=("CODEOWNERS",))
