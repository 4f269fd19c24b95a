import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from past import NOW, became, hours, judged, scored
from seams import costs, parcels

from mlprod.monitoring import quality
from mlprod.monitoring.quality import outcome_stats
from mlprod.records.outcome_stats import BINS, OutcomeStats, Payoff, StatsKey, acted_upon, merge
from mlprod.records.store import Store
from mlprod.records.usage_stats import active_reviewers, decision_paths, verdicts

pytest_plugins = ["postgres"]
CASES, KNOWN = 300, 250


@pytest.fixture
def store(records_url: str) -> Iterator[Store]:
    made = Store(records_url, 60)
    yield made
    made.engine.dispose()


def paid(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    """A payoff with gains and losses that depends on the row."""
    return float(row["weight"]) - 20 if decision == "call" else 1.0 - 9 * outcome


@pytest.fixture
def past(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Cases of two versions, arms and modes; most have an outcome of the last week."""
    random = np.random.Generator(np.random.Philox(3))
    cases, groups = [], dict[tuple[str, str, str], list[dict[str, Any]]]()
    for place, row in enumerate(parcels(CASES, seed=2).to_pylist()):
        score = float(random.choice([0.0, 0.001, 0.0011, 0.3, 0.70001, 1.0, random.random()]))
        key = (
            "78"[place % 2],
            ("champion", "explored")[place % 3 == 0],
            ("shadow", "assist")[place % 5 > 0],
        )
        case = row | dict(zip(StatsKey._fields, key, strict=True))
        case |= {"id": f"c{place}", "score": score, "decision": "call" if score > 0.5 else "leave"}
        cases.append(case | {"outcome": float(random.random() < 0.3)})
        groups.setdefault(key, []).append(case)
    for key, mine in groups.items():
        scored(store, mine, hours(48), **dict(zip(StatsKey._fields, key, strict=True)))
    became(store, {case["id"]: case["outcome"] for case in cases[:KNOWN]}, hours(24), monkeypatch)
    became(store, {"smoke-1": 1.0, "nobody": 1.0}, hours(24), monkeypatch)
    return cases[:KNOWN]


def week(
    store: Store, payoff: Payoff = paid, *, binary: bool = True
) -> dict[StatsKey, OutcomeStats]:
    return outcome_stats(store, payoff, binary=binary, since=hours(24 * 7), until=NOW)


def test_sums_are_kept_by_version_arm_and_mode(store: Store, past: list[dict[str, Any]]) -> None:
    result = week(store)
    assert result.keys() == {
        StatsKey(case["model_version"], case["arm"], case["mode"]) for case in past
    }
    for key, item in result.items():
        mine = [case for case in past if key == (case["model_version"], case["arm"], case["mode"])]
        assert item.confusion == Counter(
            (case["decision"], f"{case['outcome']:.0f}") for case in mine
        )
        assert item.squared_error == pytest.approx(
            sum((case["score"] - case["outcome"]) ** 2 for case in mine)
        )
        money = np.array([paid(case["decision"], case["outcome"], case) for case in mine])
        assert (item.gain, item.loss) == pytest.approx(
            (money[money > 0].sum(), -money[money < 0].sum())
        )
        assert item.mean_money == pytest.approx(
            (money.mean(), money.std(ddof=1) / math.sqrt(len(money)))
        )
        for low, high in zip((-math.inf, *BINS), BINS, strict=False):
            binned = [case for case in mine if low < case["score"] <= high]
            sums = [len(binned), sum(c["score"] for c in binned), sum(c["outcome"] for c in binned)]
            assert item.calibration.get(high, [0, 0, 0]) == pytest.approx(sums)


def test_sums_do_not_depend_on_the_chunk_size(
    store: Store, past: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = week(store)
    monkeypatch.setattr(quality, "CHUNK_ROWS", 7)
    assert week(store) == whole
    assert merge(whole).cases == len(past) == KNOWN
    assert merge(whole, model_version="7").cases == KNOWN // 2
    assert acted_upon(whole).cases == sum(case["mode"] != "shadow" for case in past)


def test_last_outcome_of_a_case_counts_at_its_own_time(
    store: Store, past: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = merge(week(store)).confusion
    case = past[0]
    became(store, {case["id"]: 1 - case["outcome"]}, hours(1), monkeypatch)
    after = merge(week(store)).confusion
    flipped = {(case["decision"], f"{value:.0f}") for value in (0.0, 1.0)}
    assert {key for key in before | after if before[key] != after[key]} == flipped
    assert merge(outcome_stats(store, paid, binary=True, since=hours(2), until=NOW)).cases == 1


def test_failing_payoff_is_counted_and_adds_no_money(
    store: Store, past: list[dict[str, Any]]
) -> None:
    def reads_unrecorded_field(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
        return float(row["distance"])

    errors: list[Any] = [reads_unrecorded_field, lambda *_: math.nan, lambda *_: "much"]
    for payoff in errors:
        result = merge(week(store, payoff))
        assert (result.failures, result.paid, result.net) == (KNOWN, 0, 0)
        assert math.isnan(result.mean_money[0])
        assert result.cases == KNOWN


def test_numeric_decisions_and_outcomes_stay_numbers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"id": f"n{k}", "score": 100.0 + k, "decision": 100 + k, "weight": 1.0} for k in range(4)
    ]
    scored(store, rows, hours(5))
    became(store, {f"n{k}": 103.0 for k in range(4)}, hours(4), monkeypatch)
    result = merge(
        week(store, lambda decision, outcome, row: -abs(decision - outcome), binary=False)
    )
    assert result.confusion == {("number", "number"): 4}
    assert (result.squared_error, result.net, result.calibration) == (9 + 4 + 1 + 0, -6.0, {})


def test_without_outcomes_the_stats_are_empty(store: Store) -> None:
    assert week(store, costs) == {}
    assert math.isnan(OutcomeStats().mean_squared_error)
    assert quality.count_scored(store, hours(24), NOW) == (0, 0)
    assert decision_paths(store, hours(24), NOW) == {"model": 0, "manual": 0}


def test_case_counts_as_manual_without_a_prediction_within_a_day(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(store, [{"id": "a", "score": 0.1, "decision": "leave"}], hours(72))
    became(store, {"a": 1.0, "without": 1.0, "smoke-x": 1.0}, hours(25), monkeypatch)
    became(store, {"may yet come": 1.0}, hours(23), monkeypatch)
    assert decision_paths(store, hours(48), NOW) == {"model": 1, "manual": 1}
    assert decision_paths(store, hours(48), NOW + timedelta(hours=2)) == {"model": 1, "manual": 2}
    assert quality.count_scored(store, hours(80), NOW) == (1, 1)


def test_verdicts_are_counted_by_version_and_arm(
    store: Store, past: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(
        store,
        {"c0": "overridden", "c2": "accepted", "c6": "accepted", "nobody": "edited"},
        hours(1),
        monkeypatch,
    )
    judged(store, {"c1": "edited"}, hours(200), monkeypatch)
    assert verdicts(store, hours(24 * 7)) == {
        ("7", "explored"): Counter(overridden=1, accepted=1),
        ("7", "champion"): Counter(accepted=1),
    }


@pytest.mark.parametrize(
    ("days_ago", "people", "reported"), [((1,), 4, None), ((1,), 5, 5), ((8,), 9, None)]
)
def test_fewer_than_five_reviewers_are_not_reported(
    store: Store,
    days_ago: tuple[int, ...],
    people: int,
    reported: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for day in days_ago:
        for person in range(people):
            judged(
                store, {f"c{person}": "accepted"}, hours(24 * day), monkeypatch, who=f"p{person}"
            )
    assert active_reviewers(store, NOW) == reported


def test_larger_month_counts_where_two_months_touch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = NOW.replace(month=7, day=2)
    for who, before in [
        *((f"june{k}", 4) for k in range(6)),
        *((f"july{k}", 0.5) for k in range(5)),
    ]:
        judged(store, {who: "accepted"}, second - timedelta(days=before), monkeypatch, who=who)
    assert active_reviewers(store, second) == 6
    assert json.dumps(BINS) == "[0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0]"
