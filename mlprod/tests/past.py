"""Records of the past: predictions, outcomes and feedback, written as the service writes them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from mlprod.records.store import Store

NOW = datetime(2026, 6, 15, 12, 30)
# the recorded fields of a parcel; `distance` is PII
RECORDED = ("weight", "stops", "courier", "city", "express")


def hours(number: float) -> datetime:
    return NOW - timedelta(hours=number)


def scored(store: Store, rows: Sequence[Mapping[str, Any]], at: datetime, **changes: Any) -> None:
    """Store rows with id, score, decision and the fields; `changes` replace facts of all rows."""
    facts = {"bundle": "f" * 64, "model_version": "7", "arm": "champion", "mode": "assist"}
    facts |= changes
    stored = [
        {name: row[name] for name in ("id", "score", "decision")}
        | {"row": {name: row.get(name) for name in RECORDED}, "unit": None}
        for row in rows
    ]
    store.insert_events(
        [json.dumps(facts | {"at": f"{at:%Y-%m-%d %H:%M:%S.%f}", "predictions": stored}).encode()]
    )


def became(
    store: Store, outcomes: Mapping[str, float], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Store outcomes received at a time; a known outcome is corrected."""
    monkeypatch.setattr("mlprod.records.outcome_store.now", lambda: at)
    facts = {"at": at, "correction": True}
    store.add_outcomes(
        [{"prediction_id": id, "outcome": value, **facts} for id, value in outcomes.items()]
    )


def judged(
    store: Store,
    verdicts: Mapping[str, str],
    at: datetime,
    monkeypatch: pytest.MonkeyPatch,
    who: str = "p",
) -> None:
    """Store feedback of one person, by prediction."""
    monkeypatch.setattr("mlprod.records.outcome_store.now", lambda: at)
    facts = {
        "decision_taken": None,
        "reason": None,
        "pseudonym": who.ljust(32, "0"),
        "handling_seconds": None,
    }
    store.add_feedback(
        [
            {"id": f"{who}-{id}", "prediction_id": id, "verdict": verdict, **facts}
            for id, verdict in verdicts.items()
        ]
    )
