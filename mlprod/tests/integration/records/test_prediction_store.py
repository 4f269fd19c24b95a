"""Predictions are stored as written, each id once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import ROW, at_once, event, prediction, predictions, store, stored, stores

from mlprod.records.errors import EventsRefusedError
from mlprod.records.shipping import InsertResult
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


def test_prediction_is_stored_as_written(store: Store) -> None:
    assert store.insert_events(
        [event(prediction("a"), prediction("b", unit=None, score=1 / 3), mode="shadow")]
    ) == InsertResult(2)
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
        "scores": None,
    }
    assert (second["unit_hash"], second["score"]) == (None, 1 / 3)


def test_score_is_stored_to_the_last_digit(store: Store) -> None:
    scores = [0.0, 1.0, 0.1, 2 / 3, 1e-17, 0.1 + 0.2, -1234567.890123, 1e300]
    store.insert_events(
        [event(*(prediction(str(number), score=score) for number, score in enumerate(scores)))]
    )
    assert [item["score"] for item in stored(store, predictions)] == scores


def test_decision_is_stored_as_text(store: Store) -> None:
    decisions: list[Any] = ["nei, ærlig", "", 250, 12.5]
    store.insert_events(
        [event(*(prediction(str(number), decision=item) for number, item in enumerate(decisions)))]
    )
    assert [entry["decision"] for entry in stored(store, predictions)] == [
        "nei, ærlig",
        "",
        "250",
        "12.5",
    ]


TEXTS = st.text("az09 {}[]:,'\"\\/\x1f\x7f\n\r\téß€\u2028\ufeff🐟", max_size=10)


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.dictionaries(TEXTS, st.none() | st.booleans() | TEXTS | st.floats(-1e15, 1e15)),
        max_size=5,
    )
)
def test_any_row_is_read_unchanged(store: Store, rows: list[dict[str, Any]]) -> None:
    with store.engine.begin() as connection:
        connection.execute(predictions.delete())
    retained = [prediction(str(number), row=row) for number, row in enumerate(rows)]
    assert store.insert_events([event(*retained)]) == InsertResult(len(rows))
    assert [item["row"] for item in stored(store, predictions)] == rows


def test_repeated_shipping_stores_each_prediction_once(store: Store) -> None:
    events = [event(prediction("a"), prediction("b")), event(prediction("c"))]
    more = [*events, event(prediction("d"))]
    assert [store.insert_events(item) for item in (events, events, more)] == [
        InsertResult(3),
        InsertResult(0),
        InsertResult(1),
    ]
    assert [entry["id"] for entry in stored(store, predictions)] == ["a", "b", "c", "d"]


def test_id_keeps_its_first_prediction(store: Store) -> None:
    store.insert_events([event(prediction("a", score=0.1))])
    assert (
        store.insert_events(
            [event(prediction("a", score=0.9)), event(prediction("b"), prediction("b", score=0.9))]
        ).new
        == 1
    )
    assert [item["score"] for item in stored(store, predictions)] == [0.1, 0.25]


def test_long_backlog_is_shipped_in_one_call(store: Store) -> None:
    events = [
        event(*(prediction(f"{number}-{row}") for row in range(1_000))) for number in range(3)
    ]
    assert store.insert_events(events) == InsertResult(3_000)


def test_invalid_event_is_refused_and_nothing_is_stored(store: Store) -> None:
    incomplete = [
        event(prediction("b", decision=None)),
        event(prediction("b", score=None)),
        event(prediction("b"), at=None),
    ]
    for broken in (b"{", b"{}x", *incomplete):
        with pytest.raises(EventsRefusedError):
            store.insert_events([event(prediction("a")), broken])
    assert stored(store, predictions) == []
    assert store.insert_events([event(prediction("a"))]) == InsertResult(1)


def test_text_with_a_null_byte_is_refused_or_stored_and_not_an_outage(store: Store) -> None:
    null = event(prediction("a", row={"note": "\0"}))
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(EventsRefusedError, match="Unicode"):
            store.insert_events([null])
    else:
        store.insert_events([null])
        assert stored(store, predictions)[0]["row"] == {"note": "\0"}


def test_same_predictions_of_concurrent_replicas_are_stored_once(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(2)]
    events = [event(prediction(f"{number}-a"), prediction(f"{number}-b")) for number in range(100)]
    shipped = at_once(
        [lambda: replicas[0].insert_events(events), lambda: replicas[1].insert_events(events)]
    )
    assert sum(item.new for item in shipped) == 200
