import pytest
from filled import Filled, filled

from mlprod.governance.change_plan import ChangePlan, Phase

__all__ = ["filled"]
FILE = "governance/change_plan.yaml"
GROUP = "  - {group: payments desk, size: 12, consulted: [{date: 2026-05-05, ref: workshop}]}\n"
MESSAGE = (
    "  - {audience: desk, message: what it cannot do, limits_first: true,\n"
    "      owner: value_owner, sent: 2026-05-21}\n"
)


def test_missing_plan_fails_every_check_of_it(filled: Filled) -> None:
    (filled.folder / "change_plan.yaml").unlink()
    expected = {
        "users-consulted",
        "job-question-answered",
        "limits-said-first",
        "training-planned",
        "training-done",
    }
    assert filled.failing().keys() == expected


@pytest.mark.parametrize(
    ("check", "before", "after", "says"),
    [
        ("users-consulted", f"stakeholders:\n{GROUP}", "", "stakeholders: none"),
        (
            "users-consulted",
            ", consulted: [{date: 2026-05-05, ref: workshop}]",
            "",
            "stakeholders[0] (payments desk)",
        ),
        (
            "users-consulted",
            "date: 2026-05-05",
            "date: 2026-06-02",
            "stakeholders[0] (payments desk): consulted",
        ),
        (
            "job-question-answered",
            '  answer: "No."\n',
            "",
            "workforce_impact.answer is not filled in",
        ),
        (
            "job-question-answered",
            "  reviewed_by: works council\n",
            "",
            "workforce_impact.reviewed_by is not filled in",
        ),
        (
            "job-question-answered",
            "  told_on: 2026-05-20\n",
            "",
            "workforce_impact.told_on is not filled in",
        ),
        (
            "job-question-answered",
            "told_on: 2026-05-20",
            "told_on: 2026-06-02",
            "workforce_impact.told_on: 2026-06-02",
        ),
        ("limits-said-first", f"communications:\n{MESSAGE}", "", "communications: none"),
        (
            "limits-said-first",
            "limits_first: true",
            "limits_first: false",
            "communications[0] (desk): limits_first",
        ),
        (
            "limits-said-first",
            "owner: value_owner",
            "owner: nobody",
            "communications[0] (desk): owner: nobody",
        ),
        ("people-told", ", sent: 2026-05-21", "", "communications[0] (desk): sent"),
        ("people-told", "sent: 2026-05-21", "sent: 2026-06-02", "communications[0] (desk): sent"),
        ("training-planned", "  - {mode: automate}\n", "", "rollout: automate is missing"),
        (
            "training-planned",
            "adoption: {intended_users: 12}\n",
            "",
            "adoption.intended_users is not filled in",
        ),
        (
            "training-done",
            "completed: 9",
            "completed: 8",
            "training: 80% of the intended people have completed it",
        ),
    ],
)
def test_missing_entry_is_reported_with_its_key(
    filled: Filled, check: str, before: str, after: str, says: str
) -> None:
    filled.change("change_plan.yaml", before, after)
    filled.only(check, f"{FILE}: {says}")


def test_training_for_nobody_is_reported(filled: Filled) -> None:
    filled.change("change_plan.yaml", "intended: 10, completed: 9", "completed: 9")
    result = filled.failing()
    assert result.keys() == {"training-planned", "training-done"}
    assert all(f"{FILE}: training: intended" in message for (message,) in result.values())


def test_surplus_of_one_training_does_not_count_for_another(filled: Filled) -> None:
    filled.change(
        "change_plan.yaml",
        "completed: 9}",
        "completed: 99}\n  - {audience: hall, content: limits, intended: 10}",
    )
    filled.only("training-done", f"{FILE}: training: 50%")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            ", fallback: approve below 50 EUR",
            "",
            "consumers[0] (checkout): fallback is not filled in",
        ),
        (
            "consumers:\n  - {system: checkout, owner: payments team, via: api, fallback: "
            "approve below 50 EUR}\n",
            "",
            "consumers: none",
        ),
    ],
)
def test_consumer_without_a_fallback_is_reported(
    filled: Filled, before: str, after: str, says: str
) -> None:
    filled.change("ownership.yaml", before, after)
    filled.only("consumers-have-a-fallback", f"governance/ownership.yaml: {says}")


def test_mode_without_a_step_has_the_default_figures() -> None:
    assert ChangePlan().phase("assist") == Phase(mode="assist", min_days=14, min_cases=500)
