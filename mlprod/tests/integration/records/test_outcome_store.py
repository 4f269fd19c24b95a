"""Outcomes and feedback are taken once, whoever writes them at the same time."""

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


def test_the_same_outcome_at_another_time_is_a_repetition_and_changes_nothing(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = stored(store, outcomes)
    assert store.add_outcomes([outcome("a", at=LATE, correction=True)])["repeated"] == 1
    assert stored(store, outcomes) == before
    assert stored(store, outcome_history) == []


def test_of_a_body_with_conflicts_nothing_is_written_and_each_is_named(store: Store) -> None:
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


def test_a_correction_replaces_an_outcome_and_what_it_replaced_is_kept(store: Store) -> None:
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


def test_several_outcomes_of_one_id_in_one_body_are_taken_in_their_order(store: Store) -> None:
    body = [
        outcome("a", 1),
        outcome("a", 1),
        outcome("a", 2, correction=True),
        outcome("a", 3, LATE, correction=True),
    ]
    assert store.add_outcomes(body) == {"accepted": 1, "repeated": 1, "corrected": 2, "unknown": 1}
    assert [(each["outcome"], each["at"]) for each in stored(store, outcomes)] == [(3, LATE)]
    assert [item["outcome"] for item in stored(store, outcome_history)] == [1, 2]
    assert (
        store.add_outcomes([outcome("a", 4, correction=True), outcome("a", 3, correction=True)])[
            "corrected"
        ]
        == 2
    )
    assert [element["outcome"] for element in stored(store, outcomes)] == [3]
    assert [entry["outcome"] for entry in stored(store, outcome_history)] == [1, 2, 3, 4]


def test_an_id_that_stands_twice_with_different_outcomes_is_a_conflict_with_itself(
    store: Store,
) -> None:
    with pytest.raises(OutcomeConflictError) as conflict:
        store.add_outcomes([outcome("a", 1), outcome("a", 0)])
    assert conflict.value.known == {1: 1.0}
    assert stored(store, outcomes) == []


def test_an_outcome_that_comes_before_its_prediction_is_matched_once_that_is_shipped(
    store: Store,
) -> None:
    assert store.add_outcomes([outcome("a"), outcome("b"), outcome("b")])["unknown"] == 2
    store.ship([event(prediction("a"))])
    assert store.add_outcomes([outcome("a"), outcome("b")])["unknown"] == 1
    joined = select(predictions.c.score, outcomes.c.outcome).join(
        outcomes, outcomes.c.prediction_id == predictions.c.id
    )
    with store.engine.connect() as connection:
        assert connection.execute(joined).all() == [(0.25, 1.0)]


def test_a_full_body_of_outcomes_is_taken_at_once(store: Store) -> None:
    body = [outcome(str(number)) for number in range(1_000)]
    assert store.add_outcomes(body)["accepted"] == 1_000
    corrected = [item | {"outcome": 0.0, "correction": True} for item in body[:200]]
    assert store.add_outcomes(corrected)["corrected"] == 200


def test_of_replicas_that_write_the_same_outcomes_at_once_one_is_the_first(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(3)]
    for turn in range(4):
        body = [outcome(f"{turn}-{number}") for number in range(50)]
        routes = [body, body[::-1], body[25:] + body[:25]]
        counts = at_once(
            [
                partial(item.add_outcomes, route)
                for item, route in zip(replicas, routes, strict=True)
            ]
        )
        assert sum(count["accepted"] for count in counts) == 50
        assert sum(count["repeated"] for count in counts) == 100
    assert len(stored(replicas[0], outcomes)) == 200


def test_of_replicas_that_write_different_outcomes_at_once_the_second_is_told_of_the_first(
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


def test_corrections_at_once_in_any_order_leave_every_value_in_the_history(
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


def test_feedback_is_taken_once_by_its_id(store: Store) -> None:
    store.ship([event(prediction("a"))])
    message = [
        opinion("1", "a", verdict="overridden", decision_taken="leave", reason="known"),
        opinion("2", "b"),
    ]
    assert store.add_feedback([*message, message[0]]) == ({"1", "2"}, 1)
    assert store.add_feedback([*message, opinion("3", "a", handling_seconds=None)]) == ({"3"}, 1)
    retained = stored(store, feedback)
    assert [item["id"] for item in retained] == ["1", "2", "3"]
    assert {name: retained[0][name] for name in message[0]} == message[0]
    assert retained[2]["handling_seconds"] is None


def test_feedback_of_replicas_at_once_is_counted_once(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(2)]
    message = [opinion(str(number), "a") for number in range(100)]
    (first, _), (second, _) = at_once(
        [lambda: replicas[0].add_feedback(message), lambda: replicas[1].add_feedback(message[::-1])]
    )
    assert len(first | second) == 100
    assert not first & second


def test_a_prediction_id_that_the_database_cannot_hold_is_refused(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite holds any text")
    with pytest.raises(EventsRefusedError):
        store.add_outcomes([outcome("\0")])
    with pytest.raises(EventsRefusedError):
        store.add_feedback([opinion("1", "\0")])
