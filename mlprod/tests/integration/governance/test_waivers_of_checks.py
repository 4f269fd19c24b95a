import pytest
from filled import Filled, filled, state, waive

from mlprod.governance.ownership import STAGES, Stage

__all__ = ["filled"]


def test_waived_check_is_met_on_the_last_day(filled: Filled) -> None:
    waive(filled)
    card = filled.card(filled.without("contract-holds"))
    assert state(card, "contract-holds").status == "waived"
    assert card.reached("production")


def test_waiver_of_a_passed_check_changes_nothing(filled: Filled) -> None:
    waive(filled)
    assert state(filled.card(), "contract-holds").status == "passed"


@pytest.mark.parametrize("stage", STAGES)
def test_expired_waiver_blocks_every_stage(filled: Filled, stage: Stage) -> None:
    waive(filled, until="2026-05-31")
    card = filled.card()
    assert not card.reached(stage)
    assert (
        "governance/waivers.yaml: contract-holds: expired on 2026-05-31" in card.missing(stage)[0]
    )


@pytest.mark.parametrize("by", ["author", "value_owner", "nobody", "fraud-team"])
def test_only_the_accountable_person_can_approve_a_waiver(filled: Filled, by: str) -> None:
    waive(filled, by=by)
    result = state(filled.card(filled.without("contract-holds")), "contract-holds")
    assert result.status == "unmeasured"
    assert (
        f"governance/waivers.yaml: contract-holds: approved_by: {by}; only data_owner may"
        in result.says[-1]
    )


def test_waiver_by_a_person_who_has_left_does_not_count(filled: Filled) -> None:
    waive(filled)
    filled.change("ownership.yaml", "handle: cy, deputy", "handle: cy, until: 2026-06-01, deputy")
    assert (
        state(filled.card(filled.without("contract-holds")), "contract-holds").status
        == "unmeasured"
    )


@pytest.mark.parametrize(
    ("check", "by", "until", "says"),
    [
        (
            "beats-baseline",
            "model_owner",
            "2026-06-30",
            "beats-baseline: this check allows no waiver",
        ),
        (
            "contract-holds",
            "data_owner",
            "2026-11-29",
            "expires: 2026-11-29 is more than 180 days away",
        ),
    ],
)
def test_waiver_of_a_strict_check_or_for_too_long_does_not_count(
    filled: Filled, check: str, by: str, until: str, says: str
) -> None:
    waive(filled, check, by, until)
    result = state(filled.card(filled.without(check)), check)
    assert result.status == "unmeasured"
    assert says in result.says[-1]


def test_pii_fields_without_the_answer_yes_block_every_stage(filled: Filled) -> None:
    filled.change("risk.yaml", "personal_data: true", "personal_data: false")
    assert filled.card().reached("pilot")
    card = filled.card(personal=("distance",))
    assert not card.reached("poc")
    assert "PII fields (distance)" in card.missing("poc")[0]


def test_waiver_of_an_unknown_check_blocks_every_stage(filled: Filled) -> None:
    waive(filled, check="tests-grene")
    card = filled.card()
    assert not card.reached("poc")
    assert (
        "governance/waivers.yaml: tests-grene: there is no such check; the most similar is "
        "tests-green" in card.missing("poc")
    )


def test_invalid_waiver_does_not_hide_a_valid_one(filled: Filled) -> None:
    waive(filled, by="author")
    waive(filled)
    assert state(filled.card(filled.without("contract-holds")), "contract-holds").status == "waived"
