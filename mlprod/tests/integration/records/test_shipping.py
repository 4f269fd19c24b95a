"""Every prediction is recorded under its own number, and shipping it again changes nothing."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Table, select
from stored import store, stores

from mlprod.records.database import now
from mlprod.records.errors import OutcomeConflictError
from mlprod.records.events import event_number
from mlprod.records.shipping import InsertResult
from mlprod.records.store import Store
from mlprod.records.tables import predictions, repeated_answers
from mlprod.records.unprocessed_outcomes import UncountedRecords

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]  # fixtures

ROW = {
    "weight": 0.1 + 0.2,
    "city": "Tromsø \"' 🐟",
    "stops": 3,
    "express": True,
    "note": None,
    "far": 1e15,
}
NEW = InsertResult(1)


def prediction(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "score": 0.25, "decision": "call", "unit": "ab" * 16, "row": ROW} | more


def event(*predicted: dict[str, Any], **facts: Any) -> bytes:
    """Build an event like the service's for a request."""
    usual = {
        "at": "2026-01-31 12:00:00.123456",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    usual |= {"mode": "assist", "number": event_number(), "caller": "checkout", "request": "r-1"}
    return json.dumps(usual | facts | {"predictions": predicted}, ensure_ascii=False).encode()


def unnumbered(*predicted: dict[str, Any]) -> bytes:
    """Build an event of an older service, without numbers."""
    result = json.loads(event(*predicted))
    return json.dumps(
        {name: result[name] for name in result if name not in ("number", "caller", "request")}
    ).encode()


def rows(store: Store, table: Table = predictions) -> list[dict[str, Any]]:
    with store.engine.connect() as connection:
        return [
            dict(row)
            for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
        ]


def test_number_caller_and_request_are_recorded_and_a_smoke_test_is_marked(store: Store) -> None:
    number = event_number()
    assert store.insert_events(
        [event(prediction("a"), prediction("b", smoke=True), number=number)]
    ) == InsertResult(2)
    result = [
        [row[name] for name in ("answer_id", "caller", "request", "smoke")] for row in rows(store)
    ]
    assert result == [
        [f"{number}0000", "checkout", "r-1", False],
        [f"{number}0001", "checkout", "r-1", True],
    ]
    assert len(result[0][0]) == 32


def test_event_numbers_are_unique_and_increase() -> None:
    numbers = [event_number() for _ in range(10_000)]
    assert sorted(set(numbers)) == numbers
    assert {len(number) for number in numbers} == {28}


def test_event_shipped_again_with_its_number_is_neither_new_nor_repeated(store: Store) -> None:
    first, second = event(prediction("a")), event(prediction("a", score=0.9))
    assert [store.insert_events([item]) for item in (first, second)] == [NEW, InsertResult(0, 0, 1)]
    assert [store.insert_events([entry]) for entry in (first, second)] == [
        InsertResult(0),
        InsertResult(0),
    ]
    assert store.insert_events([first, second, event(prediction("b"))]) == NEW
    assert len(rows(store, repeated_answers)) == 1


def test_another_prediction_under_a_known_id_is_stored_beside_the_first(store: Store) -> None:
    number = event_number()
    later = {
        "at": "2026-02-28 09:30:00.000001",
        "bundle": "e" * 64,
        "model_version": "8",
        "mode": "automate",
    }
    again = prediction(
        "a", score=0.9, decision="leave", unit="cd" * 16, row=ROW | {"stops": 4}, arm="explored"
    )
    store.insert_events([event(prediction("a"))])
    assert store.insert_events(
        [event(again, number=number, caller="desk", request="r-2", **later)]
    ) == InsertResult(0, 0, 1)
    (first,), (stored,) = rows(store), rows(store, repeated_answers)
    assert (first["score"], first["row"], first["caller"]) == (0.25, ROW, "checkout")
    assert stored == later | {
        "answer_id": f"{number}0000",
        "prediction_id": "a",
        "at": datetime(2026, 2, 28, 9, 30, 0, 1),
        "arm": "explored",
        "unit_hash": "cd" * 16,
        "score": 0.9,
        "decision": "leave",
        "row": ROW | {"stops": 4},
        "caller": "desk",
        "request": "r-2",
        "smoke": False,
        "conflicting": True,
        "scores": None,
    }


def test_scores_by_class_are_recorded(store: Store) -> None:
    scores = {"red": 0.25, 'sea "blue"': 0.75}
    store.insert_events([event(prediction("a", scores=scores), prediction("b"))])
    store.insert_events([event(prediction("a", score=0.9, scores=scores))])
    assert [row["scores"] for row in rows(store)] == [scores, None]
    assert rows(store, repeated_answers)[0]["scores"] == scores
    assert store.find_predictions(["a"])["a"].scores == scores
    outcome = {"prediction_id": "a", "at": now(), "correction": False}
    red, blue = (outcome | {"outcome": 0.0, "outcome_class": name} for name in ("red", "blue"))
    assert store.add_outcomes([red])["accepted"] == 1
    # The order of the classes may have changed in between.
    assert store.add_outcomes([red | {"outcome": 1.0}])["repeated"] == 1
    with pytest.raises(OutcomeConflictError) as conflict:
        store.add_outcomes([blue])
    assert conflict.value.known == {0: "red"}
    assert store.add_outcomes([blue | {"correction": True}])["corrected"] == 1
    (claimed,) = UncountedRecords().claim_outcomes(store)
    assert claimed.outcome_class == "blue"
    assert claimed.prediction
    assert claimed.prediction.scores == scores


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({}, {}),
        ({"row": dict(reversed(ROW.items()))}, {}),
        ({"row": {**ROW, "new_field": 7}}, {}),
        ({"row": {name: ROW[name] for name in ROW if name != "city"}}, {}),
        ({"unit": None}, {}),
        ({"score": 0.25 + 1e-9}, {}),
        ({"score": 0.75, "decision": "leave"}, {"bundle": "e" * 64, "model_version": "8"}),
        ({"decision": "leave", "arm": "explored"}, {}),
    ],
)
def test_same_row_again_is_a_repeat(
    store: Store, change: dict[str, Any], facts: dict[str, Any]
) -> None:
    store.insert_events([event(prediction("a"))])
    assert store.insert_events([event(prediction("a", **change), **facts)]) == InsertResult(0, 1, 0)
    assert [row["conflicting"] for row in rows(store, repeated_answers)] == [False]


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"row": ROW | {"weight": 0.3}}, {}),
        ({"row": ROW | {"city": "Tromsø"}}, {"bundle": "e" * 64}),
        ({"row": ROW | {"express": False}}, {}),
        ({"row": ROW | {"note": 0}}, {}),
        ({"row": ROW | {"stops": None}}, {}),
        ({"row": ROW | {"far": 1.1e15}}, {}),
        ({"unit": "cd" * 16}, {}),
        ({"score": 0.26}, {}),
    ],
)
def test_another_row_or_another_score_is_a_conflict(
    store: Store, change: dict[str, Any], facts: dict[str, Any]
) -> None:
    store.insert_events([event(prediction("a"))])
    assert store.insert_events([event(prediction("a", **change), **facts)]) == InsertResult(0, 0, 1)


def test_predictions_shipped_together_are_distinguished(store: Store) -> None:
    other = prediction("a", row=ROW | {"stops": 4})
    shipped = store.insert_events(
        [
            event(prediction("a"), prediction("b")),
            event(other),
            event(prediction("b")),
            event(other),
        ]
    )
    assert shipped == InsertResult(2, 1, 2)
    assert [row["conflicting"] for row in rows(store, repeated_answers)] == [True, False, True]


def test_events_without_numbers_are_shipped_and_leave_new_columns_empty(
    store: Store,
) -> None:
    old = unnumbered(prediction("a"), prediction("smoke-1"))
    assert [store.insert_events([old]), store.insert_events([old])] == [
        InsertResult(2),
        InsertResult(0),
    ]
    unknown = ("answer_id", "caller", "request", "smoke")
    assert [[row[name] for name in unknown] for row in rows(store)] == [[None] * 4] * 2
    assert store.insert_events([event(prediction("a", score=0.5))]) == InsertResult(0, 0, 1)
    assert store.insert_events(
        [unnumbered(prediction("b")), event(prediction("b"))]
    ) == InsertResult(1, 1, 0)


def test_event_shipped_in_parts_keeps_its_numbers(store: Store) -> None:
    number = event_number()
    stored = [prediction(f"{place:02}") for place in range(20)]
    parts = [event(*stored[start : start + 7], number=number, start=start) for start in (0, 7, 14)]
    assert [store.insert_events([part]).new for part in parts] == [7, 7, 6]
    assert [row["answer_id"] for row in rows(store)] == [
        f"{number}{place:04x}" for place in range(20)
    ]
    assert store.insert_events([event(*stored, number=number), *parts]) == InsertResult(0)
    again = event_number()
    assert store.insert_events([event(*stored[5:9], number=again, start=5)]) == InsertResult(
        0, 4, 0
    )
    assert store.insert_events([event(*stored, number=again)]) == InsertResult(0, 16, 0)


def test_every_prediction_of_concurrent_replicas_with_one_id_is_stored(
    stores: Callable[[], Store],
) -> None:
    replicas, gate = [stores() for _ in range(3)], threading.Barrier(3)
    events = [
        [event(prediction(f"id-{n}", row=ROW | {"stops": k}, score=k)) for n in range(50)]
        for k in range(3)
    ]

    def ship(k: int) -> InsertResult:
        gate.wait(10)
        return replicas[k].insert_events(events[k])

    with ThreadPoolExecutor(3) as threads:
        shipped = list(threads.map(ship, range(3)))
    assert sum(item.new for item in shipped) == 50
    assert sum(entry.conflicting for entry in shipped) == 100
    result = [(row["id"], row["score"]) for row in rows(replicas[0])]
    result += [(row["prediction_id"], row["score"]) for row in rows(replicas[0], repeated_answers)]
    assert sorted(result) == sorted((f"id-{n}", k) for n in range(50) for k in range(3))


def test_backlog_of_repeats_is_shipped_in_one_call(store: Store) -> None:
    first, again = (
        [event(*(prediction(f"{n}-{row}") for row in range(500))) for n in range(4)]
        for _ in range(2)
    )
    assert store.insert_events(first) == InsertResult(2_000)
    assert store.insert_events(again) == InsertResult(0, 2_000, 0)


def test_unreleased_prediction_is_recorded_once_and_a_known_id_is_reported(store: Store) -> None:
    store.insert_events([event(prediction("a"), prediction("b"))])
    given = event(prediction("a"), prediction("b", row=ROW | {"stops": 4}), prediction("c"))
    assert store.record(given) == (1, {"a": False, "b": True})
    assert [row["id"] for row in rows(store)] == ["a", "b", "c"]
    assert rows(store, repeated_answers) == []


def test_repeated_answers_are_deleted_by_time_too(store: Store) -> None:
    times = ("2026-01-31 12:00:00.000000", "2026-02-02 00:00:00.000000")
    store.insert_events(
        [event(prediction("a", score=n / 10), at=at) for n, at in enumerate((times[0], *times))]
    )
    assert store.delete_before(datetime(2026, 2, 1))["repeated_answers"] == 1
    assert [row["at"] for row in rows(store, repeated_answers)] == [datetime(2026, 2, 2)]
    assert store.delete_before(datetime(2100, 1, 1))["repeated_answers"] == 1
