"""The event that the service and batch scoring write.

A test of the batch checks that a row gets the same record from both.
"""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from mlprod.records.database import now
from mlprod.records.events import MAX_CALLER, build_event, build_prediction, pseudonymize
from mlprod.records.shipping import count_predictions
from mlprod.records.smoke import is_smoke
from mlprod.records.store import Store
from mlprod.records.tables import predictions

pytest_plugins = ["postgres"]
SALT = b"s" * 32
NOON = datetime(2026, 1, 31, 12, 0, 0, 42)


def event(*stored: dict[str, Any], at: datetime = NOON, caller: str = "checkout") -> dict[str, Any]:
    facts = {"model_version": "7", "bundle": "f" * 64, "mode": "assist", "request": "r-1"}
    built = build_event(stored, caller=caller, at=at, **facts)
    assert count_predictions(built) == len(stored), "the shipper counts them without parsing"
    result: dict[str, Any] = json.loads(built)
    return result


def test_event_becomes_rows_of_the_database(records_url: str) -> None:
    store = Store(records_url)
    stored = [
        build_prediction("a", 0.25, "call", "customer-42", {"weight": 1.5, "city": None}, SALT),
        build_prediction("b", 1 / 3, np.float64(17.5), None, {}, SALT, "explored"),
    ]
    facts = {
        "model_version": "7",
        "bundle": "f" * 64,
        "mode": "assist",
        "caller": "checkout",
        "request": "r-1",
    }
    store.insert_events([build_event(stored, at=NOON, **facts)])
    with store.reading() as connection:
        first, second = connection.execute(
            predictions.select().order_by(predictions.c.id)
        ).mappings()
    for row in (first, second):
        assert {name: row[name] for name in facts} == facts
        assert (row["at"], row["smoke"]) == (NOON, False)
    assert (first["score"], first["decision"], first["arm"]) == (0.25, "call", "champion")
    assert (first["unit_hash"], first["row"]) == (
        pseudonymize("customer-42", SALT),
        {"weight": 1.5, "city": None},
    )
    assert (second["score"], second["decision"], second["arm"]) == (1 / 3, "17.5", "explored")
    assert (second["unit_hash"], second["row"]) == (None, {})
    assert first["answer_id"][:28] == second["answer_id"][:28] != first["answer_id"][28:]
    store.engine.dispose()


def test_events_of_the_same_rows_differ_only_in_their_number() -> None:
    stored = build_prediction("a", 0.25, "call", "customer-42", {}, SALT)
    first, second = event(stored), event(stored)
    assert {name for name in first if first[name] != second[name]} == {"number"}


@pytest.mark.parametrize("at", [NOON, NOON.replace(tzinfo=UTC)])
def test_time_is_utc_without_a_time_zone(at: datetime) -> None:
    assert event(at=at)["at"] == "2026-01-31 12:00:00.000042"
    assert datetime.fromisoformat(event(at=now())["at"]).tzinfo is None


def test_caller_fits_the_database() -> None:
    assert event(caller="g" * 500)["caller"] == "g" * MAX_CALLER


def test_event_does_not_contain_the_name_of_a_unit() -> None:
    assert "customer-42" not in json.dumps(
        event(build_prediction("a", 0.25, "call", "customer-42", {}, SALT))
    )
    assert pseudonymize("customer-42", SALT) != pseudonymize("customer-42", b"t" * 32)


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("smoke-1", True),
        ("smoke-", True),
        ("Smoke-1", False),
        ("smoke", False),
        ("a-smoke-1", False),
    ],
)
def test_id_is_a_smoke_test_by_its_prefix(id: str, expected: bool) -> None:
    assert is_smoke(id) is expected
