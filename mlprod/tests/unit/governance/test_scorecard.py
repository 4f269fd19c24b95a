import json
from dataclasses import replace

import pytest
from filled import DIGESTS, WORKFLOWS, Filled, entry, evidence, filled
from prometheus_client.parser import text_string_to_metric_families

from mlprod.governance.check_catalogue import catalogue
from mlprod.governance.check_results import ProjectState
from mlprod.governance.ml_test_score import SCORE_SECTIONS
from mlprod.governance.ownership import STAGES, Stage
from mlprod.governance.scorecard import (
    MAX_STEPS,
    as_json,
    markdown,
    next_steps,
    prometheus,
    terminal,
)

__all__ = ["filled"]
HOSTILE = (
    "| [here](http://evil.test) <script>alert(1)</script> `x` *y*\n\n# Ready\n- **all** is well \\"
)


@pytest.fixture
def waived(filled: Filled) -> Filled:
    facts = (
        "reason: the table is late, risk: wrong rows, approved_by: data_owner, expires: 2026-07-01"
    )
    (filled.folder / "waivers.yaml").write_text(
        "waivers:\n  - {check: contract-holds, " + facts + "}\n"
    )
    return filled


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("|")]


def test_next_steps_are_at_most_ten_and_sorted_by_person(filled: Filled) -> None:
    for name in ("problem.yaml", "risk.yaml", "change_plan.yaml"):
        (filled.folder / name).unlink()
    card = filled.card([])
    steps = next_steps(card, "production")
    assert len(steps) == MAX_STEPS == 10
    people = [person for person, _, _ in steps]
    assert people == sorted(people)
    assert len(set(steps)) == len(steps)


def test_gaps_that_one_command_closes_are_one_step(filled: Filled) -> None:
    tests = [
        element
        for element in catalogue().checks
        if element.by == "make train" and element.demanded("pilot", "A") and not element.fix
    ]
    steps = next_steps(filled.card(filled.without(*(item.id for item in tests))), "pilot")
    (why,) = [
        why for person, does, why in steps if (person, does) == ("Bea Invented", "make train")
    ]
    assert why == "; ".join(item.title for item in tests)


def test_check_without_a_command_comes_last_with_its_waiver(filled: Filled) -> None:
    card = filled.card(filled.without("contract-holds", "sbom"))
    not_yet = [
        replace(result, entry=result.entry.model_copy(update={"later": True}))
        if result.entry.id == "sbom"
        else result
        for result in card.pilot
    ]
    steps = [what for _, what, _ in next_steps(replace(card, pilot=tuple(not_yet)), "pilot")]
    assert "make validate" in steps[0]
    assert "{check: sbom, reason: …, risk: …, approved_by: platform_owner, expires: …}" in steps[-1]


def test_terminal_shows_each_gap_with_its_command(filled: Filled) -> None:
    filled.change("ownership.yaml", "deputy: author", "deputy: ''")
    card = filled.card(filled.without("contract-holds"))
    message = terminal(card, "pilot")
    assert (
        "contract-holds (unmeasured): the data meets the contract. Cy Invented is accountable."
        in message
    )
    assert "-> make validate" in message
    assert (
        "governance/ownership.yaml: people: platform_owner: deputy: nobody; use the id of another"
        in message
    )
    assert "ML Test Score 6" in message
    assert message.endswith(
        "2 checks are missing for pilot. All 28 tests of the ML Test Score: make readiness "
        "FORMAT=markdown"
    )
    assert "fraud-scoring: poc for 30 days, tier A" in message
    assert "2 checks are missing for pilot" in terminal(card, "pilot", whole=False)


def test_terminal_reports_a_stage_that_is_met(filled: Filled) -> None:
    assert terminal(filled.card(), "production").endswith("Every requirement of production is met.")


@pytest.mark.parametrize("accepted", [True, False])
def test_payoff_without_acceptance_is_assumed(filled: Filled, accepted: bool) -> None:
    card = filled.card(filled.everything if accepted else filled.without("payoff-accepted"))
    assert ("a decision is ASSUMED" in terminal(card, "pilot")) is not accepted
    assert ("a decision is ASSUMED" in markdown(card, "pilot")) is not accepted
    assert (json.loads(as_json(card, "pilot"))["payoff"] == "assumed") is not accepted
    for shown in (terminal(card, "pilot"), markdown(card, "pilot"), as_json(card, "pilot")):
        assert "2,000 decisions a month" in shown


@pytest.mark.parametrize("stage", ["pilot", "production"])
def test_every_format_shows_a_waiver(waived: Filled, stage: Stage) -> None:
    card = waived.card(waived.without("contract-holds"))
    assert "WAIVED until 2026-07-01: contract-holds: the table is late" in terminal(card, stage)
    assert (
        "- **Waived until 2026-07-01**: the data meets the contract. the table is late (wrong rows)"
        in markdown(card, stage)
    )
    (row,) = [
        check for check in json.loads(as_json(card, stage))["checks"] if check["status"] == "waived"
    ]
    assert (row["id"], row["waived_until"]) == ("contract-holds", "2026-07-01")
    assert f'stage="{stage}",status="waived"' + "} 1" in prometheus(card)


@pytest.mark.parametrize("stage", STAGES)
def test_every_format_shows_an_expired_waiver(waived: Filled, stage: Stage) -> None:
    waived.change("waivers.yaml", "2026-07-01", "2026-05-01")
    card = waived.card()
    assert (
        "BLOCKS EVERY STAGE: governance/waivers.yaml: contract-holds: expired on 2026-05-01"
        in terminal(card, stage)
    )
    assert "- **Blocks every stage**: governance/waivers.yaml: contract-holds: expired" in markdown(
        card, stage
    )
    result = json.loads(as_json(card, stage))
    assert "expired on 2026-05-01" in result["stops_every_stage"][0]
    assert not any(result["reached"].values())


def test_low_score_blocks_only_production(filled: Filled) -> None:
    card = filled.card(facts=ProjectState(DIGESTS, ""))
    assert card.reached("pilot")
    for shown in (terminal(card, "production"), markdown(card, "production")):
        assert "ML Test Score 3.5; tier A requires 5" in shown
    assert "Blocks every stage" not in markdown(card, "production")


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("stage", STAGES)
def test_every_format_lists_the_commands_for_a_low_section(
    filled: Filled, shown: bool, stage: Stage
) -> None:
    card = filled.card(filled.everything if shown else [])
    table = json.loads(as_json(card, stage))["ml_test_score_missing"]
    requested = {"terminal": terminal(card, stage, whole=False), "markdown": markdown(card, stage)}
    for text in requested.values() if stage != "poc" else ():
        assert ("These commands add points:" in text) is not shown
        assert ("make tune  (" in text or "- make tune: " in text) is not shown
    assert set(table) == (set() if shown else set(SCORE_SECTIONS))


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("stage", STAGES)
def test_json_has_every_check(filled: Filled, shown: bool, stage: Stage) -> None:
    card = filled.card(filled.everything if shown else [])
    result = json.loads(as_json(card, stage), parse_constant=pytest.fail)
    assert [check["id"] for check in result["checks"]] == [item.id for item in catalogue().checks]
    assert len(result["ml_tests"]) == 28
    assert result["ml_test_score"]["score"] == card.score
    for check in result["checks"]:
        assert check["demanded"] is entry(check["id"]).demanded(stage, "A")
        assert check["status"] in (
            "passed",
            "failed",
            "stale",
            "unmeasured",
            "waived",
            "not applicable",
        )
        assert check["accountable"].endswith(" Invented")
        assert check["says"] or check["evidence"] == "declared"
        assert check["evidence"] == (
            "declared" if entry(check["id"]).declared or entry(check["id"]).by_hand else "observed"
        )


def test_json_has_the_evidence_of_a_check(filled: Filled) -> None:
    result = json.loads(as_json(filled.card(), "production"))
    (row,) = [check for check in result["checks"] if check["id"] == "beats-baseline"]
    expected = {
        "value": 2.0,
        "threshold": "> 0",
        "run": "17",
        "at": "2026-05-31T12:00:00+00:00",
        "source": "make train",
    }
    assert {key: row[key] for key in expected} == expected


def test_markdown_shows_hostile_text_as_text(waived: Filled) -> None:
    received = json.dumps(HOSTILE)
    waived.change("waivers.yaml", "the table is late", received)
    waived.change("ownership.yaml", "name: Ada Invented", f"name: {received}")
    waived.change("problem.yaml", "when: losses stay above 160000", f"when: {received}")
    waived.change("problem.yaml", "by: 2026-09-30", "by: 2026-05-01")
    message = evidence("data-is-real", value=HOSTILE, passed=False)
    plain = markdown(waived.card(waived.without("contract-holds")), "pilot")
    page = markdown(
        waived.card([*waived.without("contract-holds", "data-is-real"), message]), "pilot"
    )
    assert "evil.test" in page
    for line in page.splitlines():
        assert "<script" not in line
        assert "[here]" not in line.replace("\\[here\\]", "")
        assert not line.startswith(("# Ready\n", "- **all"))
    assert page.count("\n# ") == 0
    assert (
        {len(_cells(row)) for row in rows(page)}
        == {len(_cells(row)) for row in rows(plain)}
        == {3, 4}
    )


def _cells(row: str) -> list[str]:
    return row.replace("\\\\", "").replace("\\|", "").strip("|").split("|")


def test_text_with_line_breaks_stays_one_line_in_the_terminal(waived: Filled) -> None:
    waived.change(
        "waivers.yaml", "the table is late", '"late\\n\\nEvery requirement of pilot is met.\\e[8m"'
    )
    message = terminal(waived.card(waived.without("contract-holds", "tests-green")), "pilot")
    assert "Every requirement of pilot is met." not in message.splitlines()
    assert "\x1b" not in message


@pytest.mark.parametrize("shown", [True, False])
def test_prometheus_can_read_the_text(filled: Filled, shown: bool) -> None:
    card = filled.card(filled.everything if shown else [])
    result = {
        family.name: family.samples for family in text_string_to_metric_families(prometheus(card))
    }
    assert result.keys() == {"ml_readiness_checks", "ml_test_score", "ml_readiness_stage_days"}
    assert {sample.labels["system"] for samples in result.values() for sample in samples} == {
        "fraud-scoring"
    }
    for stage in ("pilot", "production"):
        states = {
            s.labels["status"]: s.value
            for s in result["ml_readiness_checks"]
            if s.labels["stage"] == stage
        }
        assert sum(states.values()) == sum(item.demanded(stage, "A") for item in catalogue().checks)
        missing = sum(states[element] for element in ("failed", "stale", "unmeasured"))
        assert missing == len(card.gaps("pilot" if stage == "pilot" else "production"))
    assert min(sample.value for sample in result["ml_test_score"]) == card.score
    assert [sample.value for sample in result["ml_readiness_stage_days"]] == [30]


def test_markdown_shows_the_law_with_its_caveat_and_checks(filled: Filled) -> None:
    page = markdown(filled.card(facts=ProjectState(DIGESTS, WORKFLOWS)), "production")
    assert "Not legal advice" in page
    assert (
        "| EU AI Act 14 | competent people can stop the system | 2027-12-02 | oversight-named "
        "(passed), stop-drilled (passed) |" in page
    )
