from datetime import timedelta
from typing import Any

import pytest
from filled import DIGESTS, NOW, SHOWN, WORKFLOWS, Filled, by_hand, entry, evidence, filled

from mlprod.governance.check_catalogue import catalogue
from mlprod.governance.check_results import Facts
from mlprod.governance.ml_test_score import CLASSIC
from mlprod.governance.ownership import STAGES, Stage
from mlprod.governance.readiness import MATURITY, Scorecard

__all__ = ["filled"]
SHORT_LIST = {  # all that tier C is asked for
    "owners-named",
    "contract-holds",
    "data-is-real",
    "beats-baseline",
    "feedback-works",
    "rollback-drilled",
    "alert-reaches-owner",
}


def gaps(card: Scorecard, stage: Stage) -> set[str]:
    return {result.entry.id for result in card.gaps(stage)}


def state(card: Scorecard, check: str, stage: Stage = "pilot") -> Any:
    return next(result for result in card.results(stage) if result.entry.id == check)


def points(card: Scorecard, test: str) -> Any:
    return next(point for point in card.points if point.test.id == test)


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_where_everything_is_shown_production_is_reached(filled: Filled, tier: str) -> None:
    filled.tier(tier)
    card = filled.card()
    assert [gaps(card, stage) for stage in STAGES] == [set()] * 3
    assert all(card.reached(stage) for stage in STAGES)


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_where_nothing_is_shown_poc_is_reached_all_the_same(filled: Filled, tier: str) -> None:
    filled.tier(tier)
    card = filled.card([])
    assert card.reached("poc")
    assert not card.reached("pilot")
    assert card.next_stage == "pilot"


@pytest.mark.parametrize("tier", ["A", "B", "C"])
@pytest.mark.parametrize("stage", ["pilot", "production"])
def test_a_stage_demands_what_the_catalogue_says_and_no_more(filled: Filled, tier: str, stage: Stage) -> None:
    filled.tier(tier)
    asked = {each.id for each in SHOWN if tier in each.pilot + (each.production if stage == "production" else "")}
    by_drills = {"skills-covered"} if tier != "C" else set()
    assert gaps(filled.card([]), stage) == asked | by_drills


@pytest.mark.parametrize("stage", ["pilot", "production"])
def test_tier_c_has_a_short_list(filled: Filled, stage: Stage) -> None:
    filled.tier("C")
    demanded = {each.id for each in catalogue().checks if each.demanded(stage, "C")}
    assert demanded == SHORT_LIST
    filled.change("ownership.yaml", "name: Cy Invented", "name: TODO")
    assert gaps(filled.card([]), stage) == SHORT_LIST


def test_production_asks_for_what_a_pilot_asks_for_and_more() -> None:
    for tier in "ABC":
        pilot = {each.id for each in catalogue().checks if each.demanded("pilot", tier)}
        production = {each.id for each in catalogue().checks if each.demanded("production", tier)}
        assert pilot <= production
        assert tier == "C" or pilot < production


def test_only_tier_a_has_its_acceptances_confirmed(filled: Filled) -> None:
    assert gaps(filled.card(filled.without("acceptance-verified")), "production") == {"acceptance-verified"}
    filled.tier("B")
    assert filled.card(filled.without("acceptance-verified")).reached("production")


def test_production_takes_what_the_ci_wrote_a_pilot_what_anybody_did(filled: Filled) -> None:
    local = [by_hand(each.id) for each in SHOWN if not each.by_hand]
    card = filled.card([*local, *filled.without(*(record.check for record in local))])
    assert card.reached("pilot")
    missing = {each.id for each in SHOWN if not each.by_hand and each.demanded("production", "A")}
    assert gaps(card, "production") == missing
    assert "outside the CI" in state(card, "beats-baseline", "production").says[0]
    assert state(card, "beats-baseline", "production").fix == "let the CI run make train, with MLFLOW_TRACKING_URI"


@pytest.mark.parametrize("writer", ["ada@example.org", "gil@example.org"])
def test_what_is_said_by_hand_is_said_by_the_accountable(filled: Filled, writer: str) -> None:
    card = filled.card([*filled.without("payoff-accepted"), evidence("payoff-accepted", actor=writer)])
    assert card.reached("production") is (writer == "ada@example.org")
    assert card.assumed is (writer != "ada@example.org")


def test_a_name_that_nothing_proves_attests_for_a_pilot_only(filled: Filled) -> None:
    card = filled.card([*filled.without("payoff-accepted"), by_hand("payoff-accepted", actor="ada@example.org")])
    assert state(card, "payoff-accepted", "pilot").status == "passed"
    assert gaps(card, "production") == {"payoff-accepted"}
    fix = state(card, "payoff-accepted", "production").fix
    assert fix == "Ada Invented starts the workflow by hand, task attest, for payoff-accepted: a token proves who did"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("repository: org/parcels", "repository: org/other"),
            "ownership.yaml trusts https://git.example.org org/other@main",
        ),
        (('ci: {issuer: "https://git.example.org", repository: org/parcels}\n', ""), "names no ci that could prove it"),
    ],
)
def test_what_another_ci_proved_counts_for_nothing_in_production(
    filled: Filled, change: tuple[str, str], says: str
) -> None:
    filled.change("ownership.yaml", *change)
    card = filled.card(facts=Facts(DIGESTS, WORKFLOWS))
    assert card.reached("pilot")
    assert says in state(card, "beats-baseline", "production").says[0]


def test_a_record_that_only_says_that_the_ci_wrote_it_counts_for_nothing(filled: Filled) -> None:
    card = filled.card([*filled.without("beats-baseline"), evidence("beats-baseline", proof="")])
    assert "no token proved that the CI wrote it" in state(card, "beats-baseline").says[0]


def test_what_nobody_can_say_by_hand_yet_is_not_said(filled: Filled) -> None:
    filled.change("ownership.yaml", "name: Ada Invented, email: ada@example.org", "name: TODO, email: TODO")
    assert state(filled.card(), "payoff-accepted").status == "stale"


def test_a_changed_model_makes_what_was_shown_of_the_old_one_stale(filled: Filled) -> None:
    card = filled.card(facts=Facts({**DIGESTS, "bundle": "new"}, WORKFLOWS))
    tied = {each.id for each in SHOWN if "bundle" in each.tied_to and each.demanded("production", "A")}
    assert gaps(card, "production") == tied
    assert all(state(card, check).status == "stale" for check in tied)


def test_the_baseline_need_not_beat_itself(filled: Filled) -> None:
    worse = evidence("beats-baseline", value=-1.0, passed=False)
    drill = by_hand("beats-baseline", digests={"bundle": "another"})  # by which a skill is shown
    card = filled.card([*filled.without("beats-baseline"), worse, drill], Facts(DIGESTS, WORKFLOWS, "baseline"))
    assert state(card, "beats-baseline").status == "not applicable"
    assert card.reached("pilot")
    assert points(card, "M5").points == 0, "what does not apply earns nothing"


def test_each_check_names_who_answers_for_it(filled: Filled) -> None:
    filled.change("ownership.yaml", "name: Cy Invented", "name: TODO")
    card = filled.card()
    assert state(card, "beats-baseline").person == "Bea Invented"
    assert state(card, "contract-holds").person == "TODO (data_owner)"


# Waivers


def waive(filled: Filled, check: str = "contract-holds", by: str = "data_owner", until: str = "2026-06-01") -> None:
    path = filled.folder / "waivers.yaml"
    before = path.read_text() if path.exists() else "waivers:\n"
    facts = f"check: {check}, reason: late, risk: wrong, approved_by: {by}, expires: {until}"
    path.write_text(before + "  - {" + facts + "}\n")


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
    assert "governance/waivers.yaml: contract-holds: expired on 2026-05-31" in card.missing(stage)[0]


@pytest.mark.parametrize("by", ["author", "value_owner", "nobody", "fraud-team"])
def test_only_the_accountable_waives(filled: Filled, by: str) -> None:
    waive(filled, by=by)
    found = state(filled.card(filled.without("contract-holds")), "contract-holds")
    assert found.status == "unmeasured"
    assert f"governance/waivers.yaml: contract-holds: approved_by: {by}; only data_owner may" in found.says[-1]


def test_an_accountable_who_has_left_waives_nothing(filled: Filled) -> None:
    waive(filled)
    filled.change("ownership.yaml", "handle: cy, deputy", "handle: cy, until: 2026-06-01, deputy")
    assert state(filled.card(filled.without("contract-holds")), "contract-holds").status == "unmeasured"


@pytest.mark.parametrize(
    ("check", "by", "until", "says"),
    [
        ("beats-baseline", "model_owner", "2026-06-30", "beats-baseline: nobody may excuse this"),
        ("contract-holds", "data_owner", "2026-11-29", "expires: 2026-11-29 is more than 180 days away"),
    ],
)
def test_some_things_nobody_excuses_and_nothing_for_long(
    filled: Filled, check: str, by: str, until: str, says: str
) -> None:
    waive(filled, check, by, until)
    found = state(filled.card(filled.without(check)), check)
    assert found.status == "unmeasured"
    assert says in found.says[-1]


def test_personal_fields_and_an_answer_that_denies_them_stop_every_stage(filled: Filled) -> None:
    filled.change("risk.yaml", "personal_data: true", "personal_data: false")
    assert filled.card().reached("pilot")
    card = filled.card(personal=("distance",))
    assert not card.reached("poc")
    assert "PERSONAL fields (distance)" in card.missing("poc")[0]


def test_a_waiver_of_what_is_no_check_is_told(filled: Filled) -> None:
    waive(filled, check="tests-grene")
    card = filled.card()
    assert not card.reached("poc")
    assert "governance/waivers.yaml: tests-grene: there is no such check; the nearest is tests-green" in card.missing(
        "poc"
    )


def test_a_waiver_that_does_not_count_does_not_hide_one_that_does(filled: Filled) -> None:
    waive(filled, by="author")
    waive(filled)
    assert state(filled.card(filled.without("contract-holds")), "contract-holds").status == "waived"


# ML Test Score


@pytest.mark.parametrize(("tier", "least"), [("A", 5), ("B", 4), ("C", 3)])
def test_production_asks_for_a_score_by_tier(filled: Filled, tier: str, least: int) -> None:
    filled.tier(tier)
    monitoring = [test.checks[0] for test in catalogue().ml_test_score if test.section == "Monitoring"]
    spare = [each for each in monitoring if not entry(each).demanded("production", tier)]
    for left in range(len(spare) + 1):
        card = filled.card(filled.without(*spare[:left]))
        assert card.sum_of("Monitoring") == 7 - left
        assert card.reached("production") is (card.score >= least)
        assert card.reached("pilot")
        said = f"ML Test Score {card.score:g}; tier {tier} needs {least}"
        assert any(line.startswith(said) for line in card.missing("production")) is (card.score < least)


def test_the_score_is_that_of_the_weakest_section(filled: Filled) -> None:
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
        ("run: |\n  make setup && make train\n  make smoke", 1),
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
def test_a_point_is_whole_where_a_workflow_repeats_it(filled: Filled, workflow: str, expected: float) -> None:
    assert points(filled.card(facts=Facts(DIGESTS, workflow)), "D1").points == expected


@pytest.mark.parametrize(("workflow", "expected"), [(WORKFLOWS, 1), ("", 0.5)])
def test_a_run_by_hand_counts_whole_where_a_workflow_repeats_it(filled: Filled, workflow: str, expected: float) -> None:
    card = filled.card([by_hand("contract-holds")], Facts(DIGESTS, workflow))
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
def test_what_is_not_shown_today_earns_nothing(filled: Filled, record: dict[str, Any] | None) -> None:
    shown = [evidence("contract-holds", **record)] if record is not None else []
    point = points(filled.card(shown), "D1")
    assert point.points == 0
    assert point.why.startswith(("failed", "stale", "unmeasured"))


def test_a_section_below_six_says_what_mends_it_and_what_then_holds(filled: Filled) -> None:
    card = filled.card(filled.without("privacy-controls-tested", "field-code-tested"))
    said = {"make test": ["keys and roles keep strangers out", "the code that makes the inputs is tested"]}
    assert {section: card.lacks(section) for section in CLASSIC} == {section: {} for section in CLASSIC} | {
        "Data": said
    }
    assert card.sum_of("Data") == 4.5
    assert filled.card(filled.without("field-code-tested")).lacks("Data") == said | {"make test": said["make test"][1:]}


def test_what_no_workflow_repeats_says_so_and_what_only_people_say_does_not(filled: Filled) -> None:
    lacks = filled.card(facts=Facts(DIGESTS, "")).lacks("Model")
    assert "let a workflow run make tune by itself" in lacks
    assert entry("inclusion-looked-at").title not in {title for titles in lacks.values() for title in titles}


def test_what_nothing_measures_yet_is_said(filled: Filled) -> None:
    tests = [test.checks[0] for test in catalogue().ml_test_score if test.section == "Infrastructure"]
    assert filled.card(filled.without(*tests)).lacks("Infrastructure")["nothing measures it yet"] == [
        entry("canary").title
    ]


def test_a_waiver_earns_no_point(filled: Filled) -> None:
    waive(filled)
    assert points(filled.card(filled.without("contract-holds")), "D1").points == 0


# Levels, days, money


@pytest.mark.parametrize("level", range(len(MATURITY)))
def test_a_level_of_maturity_needs_all_lower_ones(filled: Filled, level: int) -> None:
    assert filled.card().maturity == len(MATURITY) == 4
    assert filled.card([]).maturity == 0
    for check in MATURITY[level]:
        assert filled.card(filled.without(check)).maturity == level


def test_days_at_the_stage_are_counted(filled: Filled) -> None:
    assert filled.card().days == 30
    filled.change("ownership.yaml", ", since: 2026-05-02", "")
    assert filled.card().days is None


def test_break_even_is_what_pays_for_the_running_costs(filled: Filled) -> None:
    assert filled.card().break_even() == "2,000 decisions a month pay for the running costs"
    filled.change("problem.yaml", "  cost_a_month: 4000\n", "")
    assert filled.card().break_even().startswith("500 decisions a month pay for each 1,000 of running costs")


@pytest.mark.parametrize("record", [None, {"value": -2.0, "passed": False}, {"digests": {"bundle": "old"}}])
def test_without_a_gain_that_is_shown_nothing_breaks_even(filled: Filled, record: dict[str, Any] | None) -> None:
    shown = [evidence("beats-baseline", **record)] if record is not None else []
    assert filled.card(shown).break_even() == ""


def test_a_skill_is_shown_by_evidence_that_is_sound(filled: Filled) -> None:
    assert state(filled.card(), "skills-covered").status == "passed"
    forged = evidence("beats-baseline", value=-1.0)
    assert state(filled.card([forged]), "skills-covered").status == "failed"
    failed = evidence("beats-baseline", value=-1.0, passed=False)
    assert state(filled.card([failed]), "skills-covered").status == "failed"
