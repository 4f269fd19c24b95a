from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filled import Filled, at_home, filled

from mlprod.governance.evidence import Evidence
from mlprod.ops.mode_requirements import require_mode, unmet_mode_criteria, usage_evidence
from mlprod.ops.stage_requirements import NotReadyError
from mlprod.records.usage_stats import Usage
from mlprod.settings import Settings

__all__ = ["at_home", "filled"]
USED = Usage(days=28, cases=900, judged=100, overridden=30, outcomes=200, joined=100)


@pytest.mark.parametrize(
    ("now", "used", "says"),
    [
        ("shadow", {}, ""),
        ("assist", {}, ""),
        (
            "shadow",
            {"days": 13},
            "13 days with cases in shadow; governance/change_plan.yaml requires 14",
        ),
        (
            "assist",
            {"days": 27},
            "27 days with cases in assist; governance/change_plan.yaml requires 28",
        ),
        ("shadow", {"cases": 499}, "499 cases in shadow; governance/change_plan.yaml requires 500"),
        ("assist", {"cases": 899}, "899 cases in assist; governance/change_plan.yaml requires 900"),
        (
            "assist",
            {"judged": 29, "overridden": 0},
            "29 cases with feedback in 28 days; the override rate requires 30",
        ),
        ("assist", {"judged": 0, "overridden": 0}, "0 cases with feedback"),
        (
            "assist",
            {"overridden": 31},
            "people overrode 31%; the limit is 30% (governance/gates.yaml: people)",
        ),
        ("shadow", {"judged": 0, "overridden": 0}, ""),
        ("shadow", {"overridden": 100}, ""),
    ],
)
def test_next_mode_requires_the_criteria_of_the_change_plan(
    filled: Filled, now: str, used: dict[str, int], says: str
) -> None:
    wanted = {"shadow": "assist", "assist": "automate"}[now]
    result = list(unmet_mode_criteria(filled.org, wanted, now, replace(USED, **used)))
    assert len(result) == bool(says)
    assert not says or result[0].startswith(says)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("completed: 9", "completed: 8", "80% of the intended users are trained; 90% are required"),
        ("intended: 10, ", "", "nobody is trained; 90% are required"),
    ],
)
def test_next_mode_requires_trained_people(
    filled: Filled, before: str, after: str, says: str
) -> None:
    filled.change("change_plan.yaml", before, after)
    (result,) = unmet_mode_criteria(filled.org, "assist", "shadow", USED)
    assert result.startswith(says)


def test_mode_cannot_be_skipped(filled: Filled) -> None:
    assert list(unmet_mode_criteria(filled.org, "automate", "shadow", USED)) == [
        "one step at a time: assist comes after shadow"
    ]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_refused_mode_lists_every_unmet_criterion(at_home: Settings, environment: str) -> None:
    settings = at_home.model_copy(update={"environment": environment})
    require_mode(settings, "automate", "assist", USED)
    with pytest.raises(NotReadyError) as refused:
        require_mode(settings, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    assert str(refused.value).startswith(
        "the mode cannot change from shadow to automate:\n  one step at a time"
    )
    assert "0 days with cases" in str(refused.value)
    assert "0 cases in shadow" in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "now"),
    [("shadow", "automate"), ("shadow", "assist"), ("assist", "automate"), ("assist", "assist")],
)
def test_step_down_is_allowed_even_if_no_file_can_be_read(
    at_home: Settings, wanted: str, now: str
) -> None:
    settings = at_home.model_copy(
        update={"environment": "production", "governance_dir": Path("nowhere")}
    )
    require_mode(settings, wanted, now, Usage(0, 0, 0, 0, 0, 0))
    with pytest.raises(
        NotReadyError, match="reads governance/ of the project, not ML_GOVERNANCE_DIR=nowhere"
    ):
        require_mode(settings, "automate", "assist", USED)


def test_laptop_allows_every_mode_unless_the_database_is_shared(
    at_home: Settings,
) -> None:
    require_mode(at_home, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    shared = at_home.model_copy(update={"database_url": "postgresql://host/records"})
    with pytest.raises(NotReadyError, match="one step at a time"):
        require_mode(shared, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))


def shown(records: list[Evidence]) -> dict[str, tuple[bool, Any]]:
    return {record.check: (record.passed, record.value) for record in records}


def test_usage_becomes_evidence(filled: Filled) -> None:
    result = shown(usage_evidence(filled.org, USED, USED, {"gates": "g"}))
    assert result == {
        "shadow-long-enough": (True, "28 days, 900 cases; 14 and 500 are required"),
        "override-in-band": (True, "30.0% of 100"),
        "outcomes-join": (True, 0.5),
    }


@pytest.mark.parametrize(
    ("shadow", "assist", "failed"),
    [
        ({"days": 13}, {}, "shadow-long-enough"),
        ({"cases": 499}, {}, "shadow-long-enough"),
        ({}, {"overridden": 31}, "override-in-band"),
        ({"joined": 99}, {}, "outcomes-join"),
    ],
)
def test_usage_below_the_criteria_is_failed_evidence(
    filled: Filled, shadow: dict[str, int], assist: dict[str, int], failed: str
) -> None:
    result = shown(usage_evidence(filled.org, replace(USED, **shadow), replace(USED, **assist), {}))
    assert {check for check, (passed, _) in result.items() if not passed} == {failed}


def test_too_few_cases_give_no_evidence(filled: Filled) -> None:
    few = replace(USED, judged=29, overridden=29, outcomes=0, joined=0)
    assert shown(usage_evidence(filled.org, few, few, {})).keys() == {"shadow-long-enough"}
