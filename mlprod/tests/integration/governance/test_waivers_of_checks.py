import pytest
from filled import Filled, filled, state, waive

from mlprod.governance.ownership import STAGES, Stage

__all__ = ["filled"]


def test_a_waiver_holds_through_its_last_day(filled: Filled) -> None:
    waive(filled)
    card = filled.card(filled.without("contract-holds"))
    assert state(card, "contract-holds").status == "waived"
    assert card.reached("production")


def test_a_waiver_of_what_passes_changes_nothing(filled: Filled) -> None:
    waive(filled)
    assert state(filled.card(), "contract-holds").status == "passed"


@pytest.mark.parametrize("stage", STAGES)
def test_a_waiver_that_has_expired_stops_every_stage(filled: Filled, stage: Stage) -> None:
    waive(filled, until="2026-05-31")
    card = filled.card()
    assert not card.reached(stage)
    assert (
        "governance/waivers.yaml: contract-holds: expired on 2026-05-31" in card.missing(stage)[0]
    )


@pytest.mark.parametrize("by", ["author", "value_owner", "nobody", "fraud-team"])
def test_only_the_accountable_waives(filled: Filled, by: str) -> None:
    waive(filled, by=by)
    result = state(filled.card(filled.without("contract-holds")), "contract-holds")
    assert result.status == "unmeasured"
    assert (
        f"governance/waivers.yaml: contract-holds: approved_by: {by}; only data_owner may"
        in result.says[-1]
    )


def test_an_accountable_who_has_left_waives_nothing(filled: Filled) -> None:
    waive(filled)
    filled.change("ownership.yaml", "handle: cy, deputy", "handle: cy, until: 2026-06-01, deputy")
    assert (
        state(filled.card(filled.without("contract-holds")), "contract-holds").status
        == "unmeasured"
    )


@pytest.mark.parametrize(
    ("check", "by", "until", "says"),
    [
        ("beats-baseline", "model_owner", "2026-06-30", "beats-baseline: nobody may excuse this"),
        (
            "contract-holds",
            "data_owner",
            "2026-11-29",
            "expires: 2026-11-29 is more than 180 days away",
        ),
    ],
)
def test_some_things_nobody_excuses_and_nothing_for_long(
    filled: Filled, check: str, by: str, until: str, says: str
) -> None:
    waive(filled, check, by, until)
    result = state(filled.card(filled.without(check)), check)
    assert result.status == "unmeasured"
    assert says in result.says[-1]


def test_personal_fields_and_an_answer_that_denies_them_stop_every_stage(filled: Filled) -> None:
    filled.change("risk.yaml", "personal_data: true", "personal_data: false")
    assert filled.card().reached("pilot")
    card = filled.card(personal=("distance",))
    assert not card.reached("poc")
    assert "PII fields (distance)" in card.missing("poc")[0]


def test_a_waiver_of_what_is_no_check_is_told(filled: Filled) -> None:
    waive(filled, check="tests-grene")
    card = filled.card()
    assert not card.reached("poc")
    assert (
        "governance/waivers.yaml: tests-grene: there is no such check; the nearest is tests-green"
        in card.missing("poc")
    )


def test_a_waiver_that_does_not_count_does_not_hide_one_that_does(filled: Filled) -> None:
    waive(filled, by="author")
    waive(filled)
    assert state(filled.card(filled.without("contract-holds")), "contract-holds").status == "waived"
