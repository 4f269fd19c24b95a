"""Records that the tests write to the database, and functions that read them."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Table, select

from mlprod.records import tables
from mlprod.records.store import Store

predictions, feedback, modes = tables.predictions, tables.feedback, tables.modes
outcomes, outcome_history = tables.outcomes, tables.outcome_history
EARLY, LATE = datetime(2026, 1, 31, 12), datetime(2026, 2, 28, 12, 30, 15, 123456)
ROW = {
    "weight": 0.1 + 0.2,
    "city": "Tromsø 🐟 \"'; DROP",
    "stops": 2**53,
    "express": True,
    "distance": None,
    "who": "\n\t\\",
}


def prediction(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "score": 0.25, "decision": "call", "unit": "ab" * 16, "row": ROW} | more


def event(*predicted: dict[str, Any], **changes: Any) -> bytes:
    """Build an event like the service's for a request."""
    facts = {
        "at": "2026-01-31 12:00:00.123456",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    return json.dumps(
        facts | {"mode": "assist"} | changes | {"predictions": predicted}, ensure_ascii=False
    ).encode()


def outcome(
    id: str, value: float = 1, at: datetime = EARLY, correction: bool = False
) -> dict[str, Any]:
    return {"prediction_id": id, "outcome": float(value), "at": at, "correction": correction}


def opinion(id: str, subject: str, **more: Any) -> dict[str, Any]:
    facts = {
        "verdict": "edited",
        "decision_taken": None,
        "reason": None,
        "pseudonym": "p" * 32,
        "handling_seconds": 1.5,
    }
    return {"id": id, "prediction_id": subject} | facts | more


def stored(store: Store, table: Table) -> list[dict[str, Any]]:
    with store.engine.connect() as connection:
        result = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in result]


@pytest.fixture
def stores(records_url: str) -> Iterator[Callable[[], Store]]:
    """A function that creates a replica's store."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(records_url))
        return made[-1]

    yield make
    for item in made:
        item.engine.dispose()


@pytest.fixture
def store(stores: Callable[[], Store]) -> Store:
    return stores()


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call all functions at the same moment; return their results."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))
