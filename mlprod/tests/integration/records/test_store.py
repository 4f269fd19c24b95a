from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import func, insert, select
from stored import event, modes, outcome, outcomes, prediction, predictions, store, stored, stores

from mlprod.records import database
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


def test_the_mode_that_was_set_last_holds_and_who_set_it_is_known(
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


def test_times_are_utc_whatever_the_server_thinks(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = database.now()
    with store.engine.begin() as connection:
        connection.execute(insert(modes).values(mode="shadow", who="you", why="a test", at=before))
        assert connection.execute(select(func.max(modes.c.at))).scalar_one() == before
    assert abs((stored(store, outcomes)[0]["received_at"] - before).total_seconds()) < 60


def test_deletion_goes_in_pieces_between_which_others_write_and_goes_on_after_an_end(
    stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, service = stores(), stores()
    monkeypatch.setattr(f"{Store.__module__}.FORGET_ROWS", 10)
    old = "2026-01-31 12:00:00.000000"
    store.ship([event(*(prediction(f"old-{row}") for row in range(55)), at=old)])
    seen: list[int] = []

    def progress(gone: dict[str, int]) -> None:
        seen.append(gone["predictions"])
        service.ship([event(prediction(f"new-{len(seen)}"), at="2026-02-02 12:00:00.000000")])
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.forget(datetime(2026, 2, 1), progress)
    assert seen == [10, 20, 30]
    assert len(stored(store, predictions)) == 25 + 3
    assert store.forget(datetime(2026, 2, 1))["predictions"] == 25
    assert sorted(row["id"] for row in stored(store, predictions)) == ["new-1", "new-2", "new-3"]


def test_what_is_older_than_a_day_is_forgotten_and_the_rest_kept(store: Store) -> None:
    old, new = "2026-01-31 12:00:00.000000", "2026-02-02 00:00:00.000000"
    store.ship([event(prediction("old"), at=old), event(prediction("new"), at=new)])
    store.add_outcomes([outcome("old", 1)])
    store.set_mode("shadow", "you", "a test")
    gone = store.forget(datetime(2026, 2, 1))
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
    assert store.forget(datetime(2100, 1, 1)) == rest
    assert store.mode()
