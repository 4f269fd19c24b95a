"""The statements of docs/records.md take back what a key sent."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from fixture_project import PROJECT
from sqlalchemy import select, text

from mlprod.records.sender import Sender
from mlprod.records.store import Store
from mlprod.records.tables import feedback, outcome_history, outcomes

pytest_plugins = ["postgres"]
PAGE = PROJECT / "docs" / "records.md"
BAD, GOOD = Sender("checkout", "r-1", False), Sender("desk", "r-2", False)


@pytest.fixture
def store(records_url: str) -> Iterator[Store]:
    made = Store(records_url)
    yield made
    made.engine.dispose()


def documented() -> list[str]:
    """Return the statements of the page."""
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    result = [statement.strip() for statement in block.split(";")]
    return [statement for statement in result if statement and statement not in ("BEGIN", "COMMIT")]


def send(
    store: Store, at: str, sender: Sender, monkeypatch: pytest.MonkeyPatch, **sent: float
) -> None:
    """Store outcomes received at a time; known ones are corrected."""
    clock = "mlprod.records.outcome_store.now"
    monkeypatch.setattr(clock, lambda: datetime.fromisoformat(at))
    facts: dict[str, Any] = {"at": datetime(2026, 5, 1), "correction": True}
    store.add_outcomes(
        [{"prediction_id": id, "outcome": value, **facts} for id, value in sent.items()], sender
    )
    opinion = {
        "verdict": "edited",
        "decision_taken": None,
        "reason": None,
        "pseudonym": "p",
        "handling_seconds": None,
    }
    store.add_feedback(
        [{"id": f"{sender.caller}-{id}-{at[5:10]}", "prediction_id": id} | opinion for id in sent],
        sender,
    )


def test_documented_statements_take_back_what_a_key_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, "2026-05-20 08:00:00", BAD, monkeypatch, early=1.0)
    send(
        store,
        "2026-06-01 08:00:00",
        GOOD,
        monkeypatch,
        corrected=0.0,
        twice=0.0,
        own=0.0,
        fixed=0.0,
    )
    send(
        store,
        "2026-06-02 08:00:00",
        BAD,
        monkeypatch,
        corrected=1.0,
        twice=1.0,
        new=1.0,
        fixed=1.0,
    )
    send(store, "2026-06-03 08:00:00", BAD, monkeypatch, twice=2.0)
    send(store, "2026-06-04 08:00:00", GOOD, monkeypatch, fixed=0.5)
    query, *change = documented()
    with store.connected() as connection:
        listed = [row.prediction_id for row in connection.execute(text(query))]
        assert sorted(listed) == ["corrected", "new", "twice"]
        for statement in change:
            connection.execute(text(statement))
        assert connection.execute(text(query)).all() == []
        held = {
            row.prediction_id: (row.outcome, row.caller)
            for row in connection.execute(select(outcomes))
        }
        stored = [
            (row.prediction_id, row.outcome, row.caller)
            for row in connection.execute(select(outcome_history))
        ]
        judged = sorted(
            connection.execute(select(feedback.c.caller, feedback.c.prediction_id)).all()
        )
    assert held == {
        "early": (1.0, "checkout"),
        "corrected": (0.0, "desk"),
        "twice": (0.0, "desk"),
        "own": (0.0, "desk"),
        "fixed": (0.5, "desk"),
    }
    taken = [("corrected", 1.0, "checkout"), ("new", 1.0, "checkout"), ("twice", 2.0, "checkout")]
    assert set(taken) < set(stored), "the outcomes that were taken back stay on record"
    assert [who for who, _ in judged].count("checkout") == 1
