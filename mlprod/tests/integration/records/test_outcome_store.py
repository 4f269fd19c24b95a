"""Outcomes and feedback are stored once, also with concurrent writers."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import select
from stored import (
    EARLY,
    LATE,
    at_once,
    event,
    feedback,
    opinion,
    outcome,
    outcome_history,
    outcomes,
    prediction,
    predictions,
    store,
    stored,
    stores,
)

from mlprod.records.errors import EventsRefusedError, OutcomeConflictError
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


def test_outcomes_are_accepted_once(store: Store) -> None:
    body = [outcome("a"), outcome("b", 0)]
    assert store.add_outcomes(body) == {"accepted": 2, "repeated": 0, "corrected": 0, "unknown": 2}
    assert store.add_outcomes(body) == {"accepted": 0, "repeated": 2, "corrected": 0, "unknown": 2}
    assert [
        (item["prediction_id"], item["outcome"], item["at"]) for item in stored(store, outcomes)
    ] == [
        ("a", 1.0, EARLY),
        ("b", 0.0, EARLY),
    ]


def test_same_outcome_with_another_time_is_a_repeat_and_changes_nothing(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = stored(store, outcomes)
    assert store.add_outcomes([outcome("a", at=LATE, correction=True)])["repeated"] == 1
    assert stored(store, outcomes) == before
    assert stored(store, outcome_history) == []


def test_body_with_conflicts_is_not_written_and_names_each_conflict(store: Store) -> None:
    store.add_outcomes([outcome("a", 1), outcome("b", 0.5)])
    before = stored(store, outcomes)
    body = [
        outcome("new"),
        outcome("b", 0),
        outcome("a", 0, correction=True),
        outcome("a", 1),
        outcome("b", 0.5),
    ]
    with pytest.raises(OutcomeConflictError, match="2 outcomes differ") as conflict:
        store.add_outcomes(body)
    assert conflict.value.known == {1: 0.5, 3: 0.0}
    assert stored(store, outcomes) == before
    assert stored(store, outcome_history) == []


def test_correction_replaces_an_outcome_and_keeps_it_in_the_history(store: Store) -> None:
    store.add_outcomes([outcome("a", 1), outcome("b", 1)])
    (first, _) = stored(store, outcomes)
    body = [outcome("a", 0, LATE, correction=True), outcome("c", 1, correction=True)]
    assert store.add_outcomes(body) == {"accepted": 1, "repeated": 0, "corrected": 1, "unknown": 2}
    assert [(item["outcome"], item["at"]) for item in stored(store, outcomes)] == [
        (0, LATE),
        (1, EARLY),
        (1, EARLY),
    ]
    (retained,) = stored(store, outcome_history)
    assert {name: retained[name] for name in first if name in retained}.items() <= first.items()
    assert retained["replaced_at"] == stored(store, outcomes)[0]["received_at"]


def test_several_outcomes_of_one_id_in_a_body_apply_in_order(store: Store) -> None:
    body = [
        outcome("a", 1),
        outcome("a", 1),
        outcome("a", 2, correction=True),
        outcome("a", 3, LATE, correction=True),
    ]
    assert store.add_outcomes(body) == {"accepted": 1, "repeated": 1, "corrected": 2, "unknown": 1}
    assert [(item["outcome"], item["at"]) for item in stored(store, outcomes)] == [(3, LATE)]
    assert [item["outcome"] for item in stored(store, outcome_history)] == [1, 2]
    assert (
        store.add_outcomes([outcome("a", 4, correction=True), outcome("a", 3, correction=True)])[
            "corrected"
        ]
        == 2
    )
    assert [item["outcome"] for item in stored(store, outcomes)] == [3]
    assert [item["outcome"] for item in stored(store, outcome_history)] == [1, 2, 3, 4]


def test_different_outcomes_of_one_id_in_a_body_conflict(
    store: Store,
) -> None:
    with pytest.raises(OutcomeConflictError) as conflict:
        store.add_outcomes([outcome("a", 1), outcome("a", 0)])
    assert conflict.value.known == {1: 1.0}
    assert stored(store, outcomes) == []


def test_outcome_before_its_prediction_is_joined_once_the_prediction_arrives(
    store: Store,
) -> None:
    assert store.add_outcomes([outcome("a"), outcome("b"), outcome("b")])["unknown"] == 2
    store.insert_events([event(prediction("a"))])
    assert store.add_outcomes([outcome("a"), outcome("b")])["unknown"] == 1
    joined = select(predictions.c.score, outcomes.c.outcome).join(
        outcomes, outcomes.c.prediction_id == predictions.c.id
    )
    with store.engine.connect() as connection:
        assert connection.execute(joined).all() == [(0.25, 1.0)]


def test_full_body_of_outcomes_is_written_in_one_call(store: Store) -> None:
    body = [outcome(str(number)) for number in range(1_000)]
    assert store.add_outcomes(body)["accepted"] == 1_000
    corrected = [item | {"outcome": 0.0, "correction": True} for item in body[:200]]
    assert store.add_outcomes(corrected)["corrected"] == 200


def test_concurrent_identical_outcomes_are_accepted_once(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(3)]
    for turn in range(4):
        body = [outcome(f"{turn}-{number}") for number in range(50)]
        orders = [body, body[::-1], body[25:] + body[:25]]
        counts = at_once(
            [
                partial(item.add_outcomes, order)
                for item, order in zip(replicas, orders, strict=True)
            ]
        )
        assert sum(count["accepted"] for count in counts) == 50
        assert sum(count["repeated"] for count in counts) == 100
    assert len(stored(replicas[0], outcomes)) == 200


def test_second_of_concurrent_different_outcomes_gets_a_conflict(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(2)]

    def send(store: Store, value: float) -> str:
        try:
            store.add_outcomes([outcome("a", value)])
        except OutcomeConflictError as conflict:
            return f"known: {conflict.known[0]:g}"
        return "accepted"

    received = at_once([partial(send, item, value) for value, item in enumerate(replicas)])
    (retained,) = stored(replicas[0], outcomes)
    assert sorted(received) == ["accepted", f"known: {retained['outcome']:g}"]


def test_concurrent_corrections_leave_every_value_in_the_history(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(2)]
    names = [str(number) for number in range(50)]
    replicas[0].add_outcomes([outcome(name, 0) for name in names])
    bodies = [
        [outcome(name, 1, correction=True) for name in names],
        [outcome(name, 2, correction=True) for name in reversed(names)],
    ]
    counts = at_once(
        [partial(entry.add_outcomes, body) for entry, body in zip(replicas, bodies, strict=True)]
    )
    assert [count["corrected"] for count in counts] == [50, 50]
    last = {item["outcome"] for item in stored(replicas[0], outcomes)}
    assert len(last) == 1
    assert {element["outcome"] for element in stored(replicas[0], outcome_history)} == {
        0,
        1,
        2,
    } - last


def test_feedback_is_stored_once_by_its_id(store: Store) -> None:
    store.insert_events([event(prediction("a"))])
    opinions = [
        opinion("1", "a", verdict="overridden", decision_taken="leave", reason="known"),
        opinion("2", "b"),
    ]
    assert store.add_feedback([*opinions, opinions[0]]) == ({"1", "2"}, 1)
    assert store.add_feedback([*opinions, opinion("3", "a", handling_seconds=None)]) == ({"3"}, 1)
    retained = stored(store, feedback)
    assert [item["id"] for item in retained] == ["1", "2", "3"]
    assert {name: retained[0][name] for name in opinions[0]} == opinions[0]
    assert retained[2]["handling_seconds"] is None


def test_concurrent_feedback_of_replicas_is_stored_once(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(2)]
    body = [opinion(str(number), "a") for number in range(100)]
    (first, _), (second, _) = at_once(
        [lambda: replicas[0].add_feedback(body), lambda: replicas[1].add_feedback(body[::-1])]
    )
    assert len(first | second) == 100
    assert not first & second


def test_prediction_id_that_the_database_cannot_store_is_refused(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite holds any text")
    with pytest.raises(EventsRefusedError):
        store.add_outcomes([outcome("\0")])
    with pytest.raises(EventsRefusedError):
        store.add_feedback([opinion("1", "\0")])
