from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import func, insert, select
from stored import event, modes, outcome, outcomes, prediction, predictions, store, stored, stores

from mlprod.records import database
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


def test_last_switch_applies_with_its_author(
    stores: Callable[[], Store],
) -> None:
    here, there = stores(), stores()
    assert here.mode() is None
    for mode in ("automate", "shadow", "assist"):
        done = here.set_mode(mode, "ops@example.org", "klager – «siden» kl. 12")
    assert there.mode() == done
    assert (done.mode, done.who, done.why) == (
        "assist",
        "ops@example.org",
        "klager – «siden» kl. 12",
    )
    assert [item["mode"] for item in stored(here, modes)] == ["automate", "shadow", "assist"]


def test_times_are_utc_for_any_time_zone_of_the_server(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = database.now()
    with store.engine.begin() as connection:
        connection.execute(insert(modes).values(mode="shadow", who="you", why="a test", at=before))
        assert connection.execute(select(func.max(modes.c.at))).scalar_one() == before
    assert abs((stored(store, outcomes)[0]["received_at"] - before).total_seconds()) < 60


def test_deletion_runs_in_chunks_and_continues_after_an_interruption(
    stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, service = stores(), stores()
    monkeypatch.setattr(f"{Store.__module__}.DELETE_ROWS", 10)
    old = "2026-01-31 12:00:00.000000"
    store.insert_events([event(*(prediction(f"old-{row}") for row in range(55)), at=old)])
    seen: list[int] = []

    def progress(gone: dict[str, int]) -> None:
        seen.append(gone["predictions"])
        service.insert_events(
            [event(prediction(f"new-{len(seen)}"), at="2026-02-02 12:00:00.000000")]
        )
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.delete_before(datetime(2026, 2, 1), progress)
    assert seen == [10, 20, 30]
    assert len(stored(store, predictions)) == 25 + 3
    assert store.delete_before(datetime(2026, 2, 1))["predictions"] == 25
    assert sorted(row["id"] for row in stored(store, predictions)) == ["new-1", "new-2", "new-3"]


def test_records_before_a_time_are_deleted_and_the_rest_stays(store: Store) -> None:
    old, new = "2026-01-31 12:00:00.000000", "2026-02-02 00:00:00.000000"
    store.insert_events([event(prediction("old"), at=old), event(prediction("new"), at=new)])
    store.add_outcomes([outcome("old", 1)])
    store.set_mode("shadow", "you", "a test")
    gone = store.delete_before(datetime(2026, 2, 1))
    assert gone == {
        "predictions": 1,
        "repeated_answers": 0,
        "outcomes": 0,
        "outcome_history": 0,
        "feedback": 0,
    }
    assert [row["id"] for row in stored(store, predictions)] == ["new"]
    rest = {
        "predictions": 1,
        "repeated_answers": 0,
        "outcomes": 1,
        "outcome_history": 0,
        "feedback": 0,
    }
    assert store.delete_before(datetime(2100, 1, 1)) == rest
    assert store.mode()
