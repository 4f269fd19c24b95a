from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filled import Filled, at_home, filled

from mlprod.governance.evidence import Evidence
from mlprod.ops.readiness_report import NotReadyError, demand_mode, observed, unmet_mode_criteria
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
            "13 days with cases in shadow; governance/change_plan.yaml asks for 14",
        ),
        (
            "assist",
            {"days": 27},
            "27 days with cases in assist; governance/change_plan.yaml asks for 28",
        ),
        ("shadow", {"cases": 499}, "499 cases in shadow; governance/change_plan.yaml asks for 500"),
        ("assist", {"cases": 899}, "899 cases in assist; governance/change_plan.yaml asks for 900"),
        (
            "assist",
            {"judged": 29, "overridden": 0},
            "29 cases with feedback in 28 days; 30 are needed",
        ),
        ("assist", {"judged": 0, "overridden": 0}, "0 cases with feedback"),
        (
            "assist",
            {"overridden": 31},
            "31% were overridden; 30% at most (governance/gates.yaml: people)",
        ),
        ("shadow", {"judged": 0, "overridden": 0}, ""),
        ("shadow", {"overridden": 100}, ""),
    ],
)
def test_the_next_mode_asks_for_what_the_plan_says(
    filled: Filled, now: str, used: dict[str, int], says: str
) -> None:
    wanted = {"shadow": "assist", "assist": "automate"}[now]
    result = list(unmet_mode_criteria(filled.org, wanted, now, replace(USED, **used)))
    assert len(result) == bool(says)
    assert not says or result[0].startswith(says)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("completed: 9", "completed: 8", "80% of those intended are trained; 90% are needed"),
        ("intended: 10, ", "", "nobody is trained; 90% are needed"),
    ],
)
def test_no_mode_is_entered_with_people_who_are_not_trained(
    filled: Filled, before: str, after: str, says: str
) -> None:
    filled.change("change_plan.yaml", before, after)
    (result,) = unmet_mode_criteria(filled.org, "assist", "shadow", USED)
    assert result.startswith(says)


def test_no_mode_is_skipped(filled: Filled) -> None:
    assert list(unmet_mode_criteria(filled.org, "automate", "shadow", USED)) == [
        "one step at a time: assist comes after shadow"
    ]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_mode_is_refused_with_the_list(at_home: Settings, environment: str) -> None:
    settings = at_home.model_copy(update={"environment": environment})
    demand_mode(settings, "automate", "assist", USED)
    with pytest.raises(NotReadyError) as refused:
        demand_mode(settings, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    assert str(refused.value).startswith(
        "automate is not entered from shadow:\n  one step at a time"
    )
    assert "0 days with cases" in str(refused.value)
    assert "0 cases in shadow" in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "now"),
    [("shadow", "automate"), ("shadow", "assist"), ("assist", "automate"), ("assist", "assist")],
)
def test_a_step_down_is_free_even_when_no_file_can_be_read(
    at_home: Settings, wanted: str, now: str
) -> None:
    settings = at_home.model_copy(
        update={"environment": "production", "governance_dir": Path("nowhere")}
    )
    demand_mode(settings, wanted, now, Usage(0, 0, 0, 0, 0, 0))
    with pytest.raises(
        NotReadyError, match="reads governance/ of the project, not ML_GOVERNANCE_DIR=nowhere"
    ):
        demand_mode(settings, "automate", "assist", USED)


def test_on_a_laptop_every_mode_is_free_but_not_on_a_database_that_others_share(
    at_home: Settings,
) -> None:
    demand_mode(at_home, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    shared = at_home.model_copy(update={"database_url": "postgresql://host/records"})
    with pytest.raises(NotReadyError, match="one step at a time"):
        demand_mode(shared, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))


def shown(records: list[Evidence]) -> dict[str, tuple[bool, Any]]:
    return {record.check: (record.passed, record.value) for record in records}


def test_what_the_records_show_becomes_evidence(filled: Filled) -> None:
    result = shown(observed(filled.org, USED, USED, {"gates": "g"}))
    assert result == {
        "shadow-long-enough": (True, "28 days, 900 cases; 14 and 500 are asked for"),
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
def test_what_the_records_do_not_show_fails(
    filled: Filled, shadow: dict[str, int], assist: dict[str, int], failed: str
) -> None:
    result = shown(observed(filled.org, replace(USED, **shadow), replace(USED, **assist), {}))
    assert {check for check, (passed, _) in result.items() if not passed} == {failed}


def test_of_too_few_cases_nothing_is_said(filled: Filled) -> None:
    few = replace(USED, judged=29, overridden=29, outcomes=0, joined=0)
    assert shown(observed(filled.org, few, few, {})).keys() == {"shadow-long-enough"}
