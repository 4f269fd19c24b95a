from datetime import timedelta
from typing import Any

import pytest
from filled import DIGESTS, NOW, WORKFLOWS, Filled, by_hand, entry, evidence, filled, points, waive

from mlprod.governance.check_catalogue import catalogue
from mlprod.governance.check_results import ProjectState
from mlprod.governance.ml_test_score import SCORE_SECTIONS

__all__ = ["filled"]


@pytest.mark.parametrize(("tier", "least"), [("A", 5), ("B", 4), ("C", 3)])
def test_production_requires_a_score_by_tier(filled: Filled, tier: str, least: int) -> None:
    filled.tier(tier)
    monitoring = [
        test.checks[0] for test in catalogue().ml_test_score if test.section == "Monitoring"
    ]
    spare = [item for item in monitoring if not entry(item).demanded("production", tier)]
    for left in range(len(spare) + 1):
        card = filled.card(filled.without(*spare[:left]))
        assert card.sum_of("Monitoring") == 7 - left
        assert card.reached("production") is (card.score >= least)
        assert card.reached("pilot")
        message = f"ML Test Score {card.score:g}; tier {tier} requires {least}"
        assert any(line.startswith(message) for line in card.missing("production")) is (
            card.score < least
        )


def test_score_is_that_of_the_weakest_section(filled: Filled) -> None:
    tests = [test for test in catalogue().ml_test_score if test.section == "Data"]
    card = filled.card(filled.without(*(check for test in tests for check in test.checks)))
    assert card.sum_of("Data") == card.score == 0
    assert card.sum_of("Monitoring") == 7


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        ("run: make train", 1),
        ("run: make  train MINUTES=1", 1),
        ("run: make retrain\n", 1),
        ("run: |\n  make setup && make train\n  make smoke-test", 1),
        ("", 0.5),
        ("run: make training", 0.5),
        ("run: make train-x", 0.5),
        ("run: make train.x", 0.5),
        ("run: remake train", 0.5),
        ("# one day: make train", 0.5),
        ("run: make test # not make train", 0.5),
        ("run: make\n  train", 0.5),
    ],
)
def test_test_counts_one_point_if_a_workflow_repeats_it(
    filled: Filled, workflow: str, expected: float
) -> None:
    assert points(filled.card(facts=ProjectState(DIGESTS, workflow)), "D1").points == expected


@pytest.mark.parametrize(("workflow", "expected"), [(WORKFLOWS, 1), ("", 0.5)])
def test_evidence_of_a_laptop_counts_one_point_if_a_workflow_repeats_it(
    filled: Filled, workflow: str, expected: float
) -> None:
    card = filled.card([by_hand("contract-holds")], ProjectState(DIGESTS, workflow))
    assert points(card, "D1").points == expected


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"passed": False},
        {"at": NOW - timedelta(days=91)},
        {"digests": {"contract": "old", "domain": "today's domain"}},
    ],
)
def test_test_without_valid_evidence_counts_nothing(
    filled: Filled, record: dict[str, Any] | None
) -> None:
    shown = [evidence("contract-holds", **record)] if record is not None else []
    point = points(filled.card(shown), "D1")
    assert point.points == 0
    assert point.why.startswith(("failed", "stale", "unmeasured"))


def test_section_below_six_has_its_commands_and_their_results(filled: Filled) -> None:
    card = filled.card(filled.without("privacy-controls-tested", "field-code-tested"))
    message = {
        "make test": [
            "tests show that keys and roles block unauthorized callers",
            "the code that makes the inputs is tested",
        ]
    }
    assert {section: card.remedies(section) for section in SCORE_SECTIONS} == {
        section: {} for section in SCORE_SECTIONS
    } | {"Data": message}
    assert card.sum_of("Data") == 4.5
    assert filled.card(filled.without("field-code-tested")).remedies("Data") == message | {
        "make test": message["make test"][1:]
    }


def test_remedies_name_missing_workflows_but_no_attested_checks(filled: Filled) -> None:
    missing = filled.card(facts=ProjectState(DIGESTS, "")).remedies("Model")
    assert "let a workflow run make tune" in missing
    assert entry("inclusion-looked-at").title not in {
        title for titles in missing.values() for title in titles
    }


def test_remedies_name_checks_that_no_command_measures(filled: Filled) -> None:
    tests = [
        test.checks[0] for test in catalogue().ml_test_score if test.section == "Infrastructure"
    ]
    assert filled.card(filled.without(*tests)).remedies("Infrastructure")[
        "no command measures it yet"
    ] == [entry("canary").title]


def test_waiver_counts_no_point(filled: Filled) -> None:
    waive(filled)
    assert points(filled.card(filled.without("contract-holds")), "D1").points == 0
