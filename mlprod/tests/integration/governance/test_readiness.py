from typing import Any

import pytest
from filled import DIGESTS, SHOWN, WORKFLOWS, Filled, by_hand, evidence, filled, gaps, points, state

from mlprod.governance.check_catalogue import catalogue
from mlprod.governance.check_results import ProjectState
from mlprod.governance.ownership import STAGES, Stage
from mlprod.governance.readiness import MATURITY

__all__ = ["filled"]

# Everything that tier C requires.
SHORT_LIST = {
    "owners-named",
    "contract-holds",
    "data-is-real",
    "beats-baseline",
    "feedback-works",
    "rollback-drilled",
    "alert-reaches-owner",
}


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_production_is_reached_with_all_evidence(filled: Filled, tier: str) -> None:
    filled.tier(tier)
    card = filled.card()
    assert [gaps(card, stage) for stage in STAGES] == [set()] * 3
    assert all(card.reached(stage) for stage in STAGES)


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_poc_is_reached_without_evidence(filled: Filled, tier: str) -> None:
    filled.tier(tier)
    card = filled.card([])
    assert card.reached("poc")
    assert not card.reached("pilot")
    assert card.next_stage == "pilot"


@pytest.mark.parametrize("tier", ["A", "B", "C"])
@pytest.mark.parametrize("stage", ["pilot", "production"])
def test_stage_requires_the_checks_of_the_catalog(filled: Filled, tier: str, stage: Stage) -> None:
    filled.tier(tier)
    requested = {
        item.id
        for item in SHOWN
        if tier in item.pilot + (item.production if stage == "production" else "")
    }
    by_drills = {"skills-covered"} if tier != "C" else set()
    assert gaps(filled.card([]), stage) == requested | by_drills


@pytest.mark.parametrize("stage", ["pilot", "production"])
def test_tier_c_has_a_short_list(filled: Filled, stage: Stage) -> None:
    filled.tier("C")
    demanded = {item.id for item in catalogue().checks if item.demanded(stage, "C")}
    assert demanded == SHORT_LIST
    filled.change("ownership.yaml", "name: Cy Invented", "name: TODO")
    assert gaps(filled.card([]), stage) == SHORT_LIST


def test_production_requires_all_checks_of_the_pilot_and_more() -> None:
    for tier in "ABC":
        pilot = {entry.id for entry in catalogue().checks if entry.demanded("pilot", tier)}
        production = {item.id for item in catalogue().checks if item.demanded("production", tier)}
        assert pilot <= production
        assert tier == "C" or pilot < production


def test_only_tier_a_requires_verified_acceptances(filled: Filled) -> None:
    assert gaps(filled.card(filled.without("acceptance-verified")), "production") == {
        "acceptance-verified"
    }
    filled.tier("B")
    assert filled.card(filled.without("acceptance-verified")).reached("production")


def test_evidence_of_a_laptop_counts_for_a_pilot_only(filled: Filled) -> None:
    local = [by_hand(entry.id) for entry in SHOWN if not entry.by_hand]
    card = filled.card([*local, *filled.without(*(record.check for record in local))])
    assert card.reached("pilot")
    missing = {item.id for item in SHOWN if not item.by_hand and item.demanded("production", "A")}
    assert gaps(card, "production") == missing
    assert "outside the CI" in state(card, "beats-baseline", "production").says[0]
    assert (
        state(card, "beats-baseline", "production").fix
        == "let the CI run make train, with MLFLOW_TRACKING_URI"
    )


@pytest.mark.parametrize("writer", ["ada@example.org", "gil@example.org"])
def test_only_the_accountable_person_can_attest(filled: Filled, writer: str) -> None:
    card = filled.card(
        [*filled.without("payoff-accepted"), evidence("payoff-accepted", actor=writer)]
    )
    assert card.reached("production") is (writer == "ada@example.org")
    assert card.assumed is (writer != "ada@example.org")


def test_attestation_without_a_proof_counts_for_a_pilot_only(filled: Filled) -> None:
    card = filled.card(
        [*filled.without("payoff-accepted"), by_hand("payoff-accepted", actor="ada@example.org")]
    )
    assert state(card, "payoff-accepted", "pilot").status == "passed"
    assert gaps(card, "production") == {"payoff-accepted"}
    fix = state(card, "payoff-accepted", "production").fix
    assert (
        fix == "Ada Invented starts the task attest of the workflow for payoff-accepted, where a "
        "token proves the account"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("repository: org/parcels", "repository: org/other"),
            "ownership.yaml trusts https://git.example.org org/other@main",
        ),
        (
            ('ci: {issuer: "https://git.example.org", repository: org/parcels}\n', ""),
            "names no ci that could prove it",
        ),
    ],
)
def test_evidence_of_another_ci_does_not_count_for_production(
    filled: Filled, change: tuple[str, str], says: str
) -> None:
    filled.change("ownership.yaml", *change)
    card = filled.card(facts=ProjectState(DIGESTS, WORKFLOWS))
    assert card.reached("pilot")
    assert says in state(card, "beats-baseline", "production").says[0]


def test_record_of_the_ci_without_a_proof_does_not_count(filled: Filled) -> None:
    card = filled.card([*filled.without("beats-baseline"), evidence("beats-baseline", proof="")])
    assert "no token proved that the CI wrote it" in state(card, "beats-baseline").says[0]


def test_attestation_is_stale_without_a_named_person(filled: Filled) -> None:
    filled.change(
        "ownership.yaml", "name: Ada Invented, email: ada@example.org", "name: TODO, email: TODO"
    )
    assert state(filled.card(), "payoff-accepted").status == "stale"


def test_changed_model_invalidates_the_old_evidence(filled: Filled) -> None:
    card = filled.card(facts=ProjectState({**DIGESTS, "bundle": "new"}, WORKFLOWS))
    tied = {
        item.id for item in SHOWN if "bundle" in item.tied_to and item.demanded("production", "A")
    }
    assert gaps(card, "production") == tied
    assert all(state(card, check).status == "stale" for check in tied)


def test_baseline_does_not_have_to_beat_itself(filled: Filled) -> None:
    worse = evidence("beats-baseline", value=-1.0, passed=False)
    # It shows a skill.
    drill = by_hand("beats-baseline", digests={"bundle": "another"})
    card = filled.card(
        [*filled.without("beats-baseline"), worse, drill],
        ProjectState(DIGESTS, WORKFLOWS, "baseline"),
    )
    assert state(card, "beats-baseline").status == "not applicable"
    assert card.reached("pilot")
    assert points(card, "M5").points == 0, "a check that does not apply counts nothing"


def test_check_names_its_accountable_person(filled: Filled) -> None:
    filled.change("ownership.yaml", "name: Cy Invented", "name: TODO")
    card = filled.card()
    assert state(card, "beats-baseline").person == "Bea Invented"
    assert state(card, "contract-holds").person == "TODO (data_owner)"


@pytest.mark.parametrize("level", range(len(MATURITY)))
def test_maturity_level_requires_all_lower_ones(filled: Filled, level: int) -> None:
    assert filled.card().maturity == len(MATURITY) == 4
    assert filled.card([]).maturity == 0
    for check in MATURITY[level]:
        assert filled.card(filled.without(check)).maturity == level


def test_days_at_the_stage_are_counted(filled: Filled) -> None:
    assert filled.card().days == 30
    filled.change("ownership.yaml", ", since: 2026-05-02", "")
    assert filled.card().days is None


def test_break_even_is_the_number_of_decisions_that_pay_for_the_costs(filled: Filled) -> None:
    assert filled.card().break_even() == "2,000 decisions a month pay for the running costs"
    filled.change("problem.yaml", "  cost_a_month: 4000\n", "")
    assert (
        filled.card()
        .break_even()
        .startswith("500 decisions a month pay for each 1,000 of running costs")
    )


@pytest.mark.parametrize(
    "record", [None, {"value": -2.0, "passed": False}, {"digests": {"bundle": "old"}}]
)
def test_break_even_is_unknown_without_a_gain(
    filled: Filled, record: dict[str, Any] | None
) -> None:
    shown = [evidence("beats-baseline", **record)] if record is not None else []
    assert filled.card(shown).break_even() == ""


def test_skill_requires_sound_evidence(filled: Filled) -> None:
    assert state(filled.card(), "skills-covered").status == "passed"
    forged = evidence("beats-baseline", value=-1.0)
    assert state(filled.card([forged]), "skills-covered").status == "failed"
    failed = evidence("beats-baseline", value=-1.0, passed=False)
    assert state(filled.card([failed]), "skills-covered").status == "failed"
