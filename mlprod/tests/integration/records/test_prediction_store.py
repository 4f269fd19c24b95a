"""Predictions are stored as they were written down, each id once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import ROW, at_once, event, prediction, predictions, store, stored, stores

from mlprod.records.errors import EventsRefusedError
from mlprod.records.shipping import Shipped
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


def test_a_prediction_is_stored_as_it_was_written_down(store: Store) -> None:
    assert store.ship(
        [event(prediction("a"), prediction("b", unit=None, score=1 / 3), mode="shadow")]
    ) == Shipped(2)
    first, second = stored(store, predictions)
    assert first == {
        "id": "a",
        "at": datetime(2026, 1, 31, 12, 0, 0, 123456),
        "model_version": "7",
        "bundle": "f" * 64,
        "arm": "champion",
        "mode": "shadow",
        "unit_hash": "ab" * 16,
        "score": 0.25,
        "decision": "call",
        "row": ROW,
        "answer_id": None,
        "caller": None,
        "request": None,
        "smoke": None,
    }
    assert (second["unit_hash"], second["score"]) == (None, 1 / 3)


def test_a_score_is_stored_to_the_last_digit(store: Store) -> None:
    scores = [0.0, 1.0, 0.1, 2 / 3, 1e-17, 0.1 + 0.2, -1234567.890123, 1e300]
    store.ship(
        [event(*(prediction(str(number), score=score) for number, score in enumerate(scores)))]
    )
    assert [item["score"] for item in stored(store, predictions)] == scores


def test_a_decision_is_stored_as_text(store: Store) -> None:
    decisions: list[Any] = ["nei, ærlig", "", 250, 12.5]
    store.ship(
        [event(*(prediction(str(number), decision=item) for number, item in enumerate(decisions)))]
    )
    assert [entry["decision"] for entry in stored(store, predictions)] == [
        "nei, ærlig",
        "",
        "250",
        "12.5",
    ]


WORDS = st.text("az09 {}[]:,'\"\\/\x1f\x7f\n\r\téß€\u2028\ufeff🐟", max_size=10)


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.dictionaries(WORDS, st.none() | st.booleans() | WORDS | st.floats(-1e15, 1e15)),
        max_size=5,
    )
)
def test_any_row_comes_back_as_it_was(store: Store, rows: list[dict[str, Any]]) -> None:
    with store.engine.begin() as connection:
        connection.execute(predictions.delete())
    retained = [prediction(str(number), row=row) for number, row in enumerate(rows)]
    assert store.ship([event(*retained)]) == Shipped(len(rows))
    assert [item["row"] for item in stored(store, predictions)] == rows


def test_what_is_shipped_again_is_there_once(store: Store) -> None:
    events = [event(prediction("a"), prediction("b")), event(prediction("c"))]
    more = [*events, event(prediction("d"))]
    assert [store.ship(item) for item in (events, events, more)] == [
        Shipped(3),
        Shipped(0),
        Shipped(1),
    ]
    assert [entry["id"] for entry in stored(store, predictions)] == ["a", "b", "c", "d"]


def test_an_id_keeps_the_answer_that_came_first(store: Store) -> None:
    store.ship([event(prediction("a", score=0.1))])
    assert (
        store.ship(
            [event(prediction("a", score=0.9)), event(prediction("b"), prediction("b", score=0.9))]
        ).new
        == 1
    )
    assert [item["score"] for item in stored(store, predictions)] == [0.1, 0.25]


def test_a_long_backlog_is_shipped_in_one_go(store: Store) -> None:
    events = [
        event(*(prediction(f"{number}-{row}") for row in range(1_000))) for number in range(3)
    ]
    assert store.ship(events) == Shipped(3_000)


def test_what_no_database_can_hold_is_refused_and_nothing_of_it_is_stored(store: Store) -> None:
    lacking = [
        event(prediction("b", decision=None)),
        event(prediction("b", score=None)),
        event(prediction("b"), at=None),
    ]
    for broken in (b"{", b"{}x", *lacking):
        with pytest.raises(EventsRefusedError):
            store.ship([event(prediction("a")), broken])
    assert stored(store, predictions) == []
    assert store.ship([event(prediction("a"))]) == Shipped(1)


def test_a_text_with_a_null_is_refused_or_stored_but_never_called_an_absence(store: Store) -> None:
    null = event(prediction("a", row={"note": "\0"}))
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(EventsRefusedError, match="Unicode"):
            store.ship([null])
    else:
        store.ship([null])
        assert stored(store, predictions)[0]["row"] == {"note": "\0"}


def test_the_same_predictions_from_two_replicas_at_once_are_there_once(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(2)]
    events = [event(prediction(f"{number}-a"), prediction(f"{number}-b")) for number in range(100)]
    shipped = at_once([lambda: replicas[0].ship(events), lambda: replicas[1].ship(events)])
    assert sum(item.new for item in shipped) == 200
