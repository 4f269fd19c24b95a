import re
from collections import Counter

import pytest
from fixture_project import PROJECT, TEMPLATE

from mlprod.commands.cli import VERBS
from mlprod.governance.check_catalogue import CheckDefinition, MlTest, catalogue, law
from mlprod.governance.checks import DECLARED
from mlprod.governance.checks.ownership import OUTCOMES, SKILL_CHECKS
from mlprod.governance.ml_test_score import SCORE_SECTIONS
from mlprod.governance.readiness import MATURITY

CHECKS = catalogue().checks
IDS = [entry.id for entry in CHECKS]
TARGETS = {*VERBS, "baseline", "ci", "lock"}


def test_an_id_is_one_check() -> None:
    assert [id for id, count in Counter(IDS).items() if count > 1] == []


def test_what_files_declare_has_a_function_and_every_function_a_check() -> None:
    assert {entry.id for entry in CHECKS if entry.declared} == DECLARED.keys()


@pytest.mark.parametrize("entry", CHECKS, ids=IDS)
def test_a_check_can_be_met(entry: CheckDefinition) -> None:
    assert entry.outcome in OUTCOMES
    assert not (entry.later and entry.by), "a command writes it, or nothing does yet"
    if entry.by:
        assert set(re.findall(r"make ([a-z-]+)", f"{entry.by} {entry.fix}")) <= TARGETS
        assert entry.tied_to or entry.valid_days <= 30, (
            "evidence of nothing in particular grows old soon"
        )
    for test in entry.tests:
        root = TEMPLATE if test.startswith("mlprod/") else PROJECT
        assert (root / test).exists(), test
    if entry.by_hand:
        assert f"CHECK={entry.id}" in entry.by
    assert set(entry.maps_to) <= {duty.article for duty in law().duties}


def test_the_ml_test_score_has_seven_tests_in_each_of_four_sections() -> None:
    assert Counter(test.section for test in catalogue().ml_test_score) == dict.fromkeys(
        SCORE_SECTIONS, 7
    )


@pytest.mark.parametrize("test", catalogue().ml_test_score, ids=lambda test: test.id)
def test_a_point_rests_on_checks_of_the_catalogue(test: MlTest) -> None:
    assert test.checks
    assert set(test.checks) <= set(IDS)


def test_levels_and_skills_rest_on_checks_of_the_catalogue() -> None:
    named = {id for level in MATURITY for id in level} | {
        id for ids in SKILL_CHECKS.values() for id in ids
    }
    assert named <= set(IDS)


def test_the_law_says_that_it_is_no_advice() -> None:
    assert law().caveat.startswith("Not legal advice")
    assert "confirm them with counsel" in law().caveat
