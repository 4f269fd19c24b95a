"""A database of records of the first version, migrated and read by the current code."""

import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from mlprod.ops.migrate import migrate
from mlprod.records.store import Store
from mlprod.records.usage_stats import usage

# written by the code of 55006c7
DUMP = Path(__file__).parents[2] / "first_version" / "records.sql"


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "records.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(DUMP.read_text(encoding="utf-8"))
    assert migrate(f"sqlite:///{path}")
    return f"sqlite:///{path}"


def test_predictions_and_mode_of_the_first_version_are_read(url: str) -> None:
    store = Store(url)
    result = store.find_predictions(["t1", "t2", "none"])
    assert {id: (row.score, row.decision, row.model_version) for id, row in result.items()} == {
        "t1": (0.91, "decline", "1"),
        "t2": (0.02, "approve", "1"),
    }
    assert result["t1"].at == datetime(2026, 4, 11, 8)
    mode = store.mode()
    assert mode
    assert (mode.mode, mode.who, mode.why) == ("shadow", "you@example.org", "complaints since noon")


def test_outcomes_and_feedback_continue_after_the_first_version(url: str) -> None:
    store = Store(url)
    given = {
        "prediction_id": "t1",
        "outcome": 0.0,
        "at": datetime(2026, 4, 30, 12),
        "correction": False,
    }
    assert store.add_outcomes([given])["repeated"] == 1, "the corrected outcome is the recorded one"
    given = {
        "prediction_id": "t2",
        "outcome": 1.0,
        "at": datetime(2026, 4, 30, 12),
        "correction": False,
    }
    assert store.add_outcomes([given])["accepted"] == 1
    assert usage(store, "assist").cases == 2
    assert store.delete_before(datetime(2027, 1, 1))["predictions"] == 2
