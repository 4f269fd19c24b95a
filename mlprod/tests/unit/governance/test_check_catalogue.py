import re
from collections import Counter

import pytest
from fixture_project import PROJECT, TEMPLATE

from mlprod.commands.cli import VERBS
from mlprod.governance.check_catalogue import CheckDefinition, MlTest, catalogue, regulation
from mlprod.governance.checks import DECLARED
from mlprod.governance.checks.ownership import OUTCOMES, SKILL_CHECKS
from mlprod.governance.ml_test_score import SCORE_SECTIONS
from mlprod.governance.readiness import MATURITY

CHECKS = catalogue().checks
IDS = [entry.id for entry in CHECKS]
TARGETS = {*VERBS, "baseline", "ci", "lock"}


def test_ids_of_checks_are_unique() -> None:
    assert [id for id, count in Counter(IDS).items() if count > 1] == []


def test_every_declared_check_has_a_function() -> None:
    assert {entry.id for entry in CHECKS if entry.declared} == DECLARED.keys()


@pytest.mark.parametrize("entry", CHECKS, ids=IDS)
def test_check_names_existing_commands_tests_and_articles(entry: CheckDefinition) -> None:
    assert entry.outcome in OUTCOMES
    assert not (entry.later and entry.by), "a check has a command, or is for later"
    if entry.by:
        assert set(re.findall(r"make ([a-z-]+)", f"{entry.by} {entry.fix}")) <= TARGETS
        assert entry.tied_to or entry.valid_days <= 30, (
            "evidence without a subject becomes stale within 30 days"
        )
    for test in entry.tests:
        root = TEMPLATE if test.startswith("mlprod/") else PROJECT
        assert (root / test).exists(), test
    if entry.by_hand:
        assert f"CHECK={entry.id}" in entry.by
    assert set(entry.maps_to) <= {duty.article for duty in regulation().duties}


def test_ml_test_score_has_seven_tests_in_each_of_four_sections() -> None:
    assert Counter(test.section for test in catalogue().ml_test_score) == dict.fromkeys(
        SCORE_SECTIONS, 7
    )


@pytest.mark.parametrize("test", catalogue().ml_test_score, ids=lambda test: test.id)
def test_tests_of_the_score_name_checks_of_the_catalog(test: MlTest) -> None:
    assert test.checks
    assert set(test.checks) <= set(IDS)


def test_levels_and_skills_name_checks_of_the_catalog() -> None:
    named = {id for level in MATURITY for id in level} | {
        id for ids in SKILL_CHECKS.values() for id in ids
    }
    assert named <= set(IDS)


def test_law_has_a_caveat() -> None:
    assert regulation().caveat.startswith("Not legal advice")
    assert "confirm them with counsel" in regulation().caveat
