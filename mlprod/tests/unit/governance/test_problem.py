import pytest
from filled import FILES, Filled, filled

from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
FILE = "governance/problem.yaml"


def test_empty_file_fails_every_check_of_it(filled: Filled) -> None:
    (filled.folder / "problem.yaml").write_text("")
    assert filled.failing().keys() == {
        "problem-stated",
        "non-ml-alternative",
        "value-targeted",
        "kill-criteria",
    }


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("  statement: Fraudulent payments settle before anyone looks.\n", "problem.statement"),
        ("  affected: card holders\n", "problem.affected"),
        (
            "  today: {process: a rule, cost: 2 million EUR a year, performance: a third "
            "is found}\n",
            "problem.today",
        ),
        (", cost: 2 million EUR a year", "problem.today"),
        ("  who: the payments desk\n", "decision.who"),
        ("  outcome: fraud reported by the bank\n", "decision.outcome"),
    ],
)
def test_missing_part_of_the_problem_is_reported(filled: Filled, line: str, key: str) -> None:
    filled.change("problem.yaml", line, "")
    filled.only("problem-stated", f"{FILE}: {key}", " is not filled in")


def test_alternative_without_ml_is_required(filled: Filled) -> None:
    before = FILES["problem.yaml"]
    filled.change("problem.yaml", before[before.index("alternatives") : before.index("value:")], "")
    filled.only("non-ml-alternative", f"{FILE}: alternatives: none; add one")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("a few more are found", "result"),
        ("every merchant needs a rule", "why_not"),
        ("heuristic", "option"),
    ],
)
def test_alternative_without_result_or_reason_is_refused(
    filled: Filled, line: str, key: str
) -> None:
    filled.change("problem.yaml", line, "''")
    with pytest.raises(GovernanceError, match=rf"alternatives\[0\].{key}: "):
        filled.failing()


@pytest.mark.parametrize(
    "key", ["kpi", "unit", "baseline", "target", "payoff_a_month", "by", "owner"]
)
def test_missing_part_of_the_value_is_reported(filled: Filled, key: str) -> None:
    line = next(
        line for line in FILES["problem.yaml"].splitlines() if line.startswith(f"  {key}: ")
    )
    filled.change("problem.yaml", f"{line}\n", "")
    filled.only("value-targeted", f"{FILE}: value.{key}")


@pytest.mark.parametrize(
    ("direction", "target", "gain"),
    [
        ("down", "174999", True),
        ("down", "175000", False),
        ("down", "180000", False),
        ("up", "175001", True),
        ("up", "175000", False),
        ("up", "120000", False),
    ],
)
def test_target_must_improve_on_the_baseline(
    filled: Filled, direction: str, target: str, gain: bool
) -> None:
    filled.change("problem.yaml", "direction: down", f"direction: {direction}")
    filled.change("problem.yaml", "target: 120000", f"target: {target}")
    if gain:
        assert filled.failing() == {}
    else:
        filled.only(
            "value-targeted",
            f"{FILE}: value.target",
            f"with direction {direction}, set a target",
            "175000",
        )


@pytest.mark.parametrize("target", [".nan", "-.inf"])
def test_target_that_is_not_finite_is_refused(filled: Filled, target: str) -> None:
    filled.change("problem.yaml", "target: 120000", f"target: {target}")
    with pytest.raises(GovernanceError, match=r"value.target: Input should be a finite number"):
        filled.failing()


def test_target_whose_day_has_passed_is_reported(filled: Filled) -> None:
    filled.change("problem.yaml", "by: 2026-12-31", "by: 2026-05-31")
    filled.only("value-targeted", f"{FILE}: value.by: 2026-05-31 has passed")


@pytest.mark.parametrize("owner", ["somebody", "''"])
def test_owner_of_the_value_must_be_a_named_person(filled: Filled, owner: str) -> None:
    filled.change("problem.yaml", "owner: value_owner", f"owner: {owner}")
    filled.only("value-targeted", f"{FILE}: value.owner: ")


def test_kill_criterion_is_required(filled: Filled) -> None:
    filled.change(
        "problem.yaml", "kill_criteria:\n  - {when: losses stay above 160000, by: 2026-09-30}\n", ""
    )
    filled.only("kill-criteria", f"{FILE}: kill_criteria: none")


def test_kill_criterion_whose_day_has_passed_blocks_every_stage(filled: Filled) -> None:
    assert all(filled.card().reached(stage) for stage in ("poc", "pilot", "production"))
    filled.change("problem.yaml", "by: 2026-09-30", "by: 2026-05-31")
    filled.only(
        "kill-criteria",
        f"{FILE}: kill_criteria[0]: 2026-05-31 has passed (losses stay above 160000)",
    )
    card = filled.card()
    assert not any(card.reached(stage) for stage in ("poc", "pilot", "production"))
    assert card.gaps("poc") == ()
    assert "kill_criteria[0]" in card.missing("poc")[0]
