import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from mlprod.records.database import now
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.store import Store
from mlprod.records.usage_stats import LOOKBACK, Usage, usage

pytest_plugins = ["postgres"]


@pytest.fixture
def store(records_url: str) -> Iterator[Store]:
    made = Store(records_url)
    yield made
    made.engine.dispose()


def decided(store: Store, *ids: str, mode: str = "assist", at: datetime | None = None) -> None:
    facts = {
        "at": f"{at or now():%Y-%m-%d %H:%M:%S.%f}",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    stored: list[dict[str, Any]] = [
        {"id": id, "score": 0.25, "decision": "call", "unit": None, "row": {}} for id in ids
    ]
    store.insert_events([json.dumps(facts | {"mode": mode, "predictions": stored}).encode()])


def judged(store: Store, id: str, subject: str, verdict: str) -> None:
    more: dict[str, Any] = {
        "decision_taken": None,
        "reason": None,
        "pseudonym": "p" * 32,
        "handling_seconds": None,
    }
    store.add_feedback([{"id": id, "prediction_id": subject, "verdict": verdict, **more}])


def became(store: Store, *ids: str) -> None:
    store.add_outcomes(
        [{"prediction_id": id, "outcome": 1.0, "at": now(), "correction": False} for id in ids]
    )


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    moment = now() + by
    monkeypatch.setattr("mlprod.records.usage_stats.now", lambda: moment)


def test_empty_records_have_no_rates(store: Store) -> None:
    result = usage(store, "shadow")
    assert result == Usage(0, 0, 0, 0, 0, 0)
    assert result.override_rate is None
    assert result.joined_share is None


def test_days_and_cases_are_counted_by_mode(store: Store) -> None:
    first = datetime(2026, 1, 31, 23, 59, 59, 999999)
    decided(store, "a", "b", at=first)
    decided(store, "c", at=first + timedelta(microseconds=1))
    decided(store, "d", mode="shadow", at=datetime(2020, 2, 29))
    assert (usage(store, "assist").days, usage(store, "assist").cases) == (2, 3)
    assert (usage(store, "shadow").days, usage(store, "shadow").cases) == (1, 1)
    assert usage(store, "automate").cases == 0


def test_override_rate_covers_cases_of_the_mode_with_feedback(store: Store) -> None:
    decided(store, "a", "b", "c", "d")
    decided(store, "s", mode="shadow")
    for number, (subject, verdict) in enumerate(
        [("a", "overridden"), ("b", "accepted"), ("c", "edited"), ("s", "overridden")]
    ):
        judged(store, str(number), subject, verdict)
    judged(store, "stray", "unheard-of", "overridden")
    assert (usage(store, "assist").judged, usage(store, "assist").overridden) == (3, 1)
    assert usage(store, "assist").override_rate == pytest.approx(1 / 3)
    assert usage(store, "shadow").override_rate == 1


def test_case_with_several_feedbacks_counts_once(store: Store) -> None:
    decided(store, "a", "b")
    for number, verdict in enumerate(["accepted", "overridden", "overridden"]):
        judged(store, str(number), "a", verdict)
    judged(store, "b", "b", "accepted")
    assert (usage(store, "assist").judged, usage(store, "assist").overridden) == (2, 1)


def test_joined_share_counts_outcomes_with_a_prediction(store: Store) -> None:
    decided(store, "a", "b", mode="shadow")
    became(store, "a", "b", "x", "y")
    for mode in ("shadow", "assist"):
        result = usage(store, mode)
        assert (result.outcomes, result.joined, result.joined_share) == (4, 2, 0.5)


@pytest.mark.parametrize(
    ("by", "counts"),
    [(LOOKBACK - timedelta(minutes=1), True), (LOOKBACK + timedelta(minutes=1), False)],
)
def test_feedback_and_outcomes_are_of_the_last_28_days(
    store: Store, monkeypatch: pytest.MonkeyPatch, by: timedelta, counts: bool
) -> None:
    decided(store, "a")
    judged(store, "1", "a", "overridden")
    became(store, "a")
    later(monkeypatch, by)
    result = usage(store, "assist")
    assert (result.cases, result.judged, result.overridden) == (1, counts, counts)
    assert (result.outcomes, result.joined) == (counts, counts)


def test_smoke_tests_do_not_count(store: Store) -> None:
    decided(store, "smoke-1", "smoke", "Smoke-2", "SMOKE-3", "a-smoke-4")
    for id in ("smoke-1", "Smoke-2"):
        judged(store, id, id, "overridden")
    became(store, "smoke-1", "smoke-2", "Smoke-2")
    result = usage(store, "assist")
    assert (result.cases, result.judged, result.overridden) == (4, 1, 1)
    assert (result.outcomes, result.joined) == (1, 1)


def test_database_without_tables_is_unavailable(bare_url: str) -> None:
    with pytest.raises(StoreUnavailableError, match="run the verb migrate"):
        usage(Store(bare_url), "assist")
