"""Events: the JSON in which the service and batch scoring record predictions.

This module does not depend on the model or on the contract.
"""

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

# the arms of a prediction
CHAMPION, EXPLORED = "champion", "explored"
# characters
MAX_CALLER = 128

_PROCESS = f"{int(time.time() * 1_000):012x}{os.urandom(3).hex()}"
_events = itertools.count()


def event_number() -> str:
    """Return the number of a new event: 28 hexadecimal digits.

    They encode the start of this process, random bits and a counter. The database adds four digits
    for the position of the row, which gives each prediction its own number.
    """
    return f"{_PROCESS}{next(_events):010x}"


def pseudonymize(name: str, salt: bytes) -> str:
    """Return the pseudonym of a name in the records.

    The same name and salt give the same pseudonym. Nobody can derive the name without the salt.
    """
    return blake2b(name.encode(), key=salt, digest_size=16).hexdigest()


def build_prediction(
    id: str,
    score: float,
    decision: Any,
    unit: str | None,
    row: dict[str, Any],
    salt: bytes,
    arm: str | None = None,
    scores: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Build one prediction of an event; `unit` is recorded as a pseudonym.

    `row` must not contain PII fields. `arm` is the arm of this row if it differs from the event's.
    `scores` has the probability of each class, for a label with classes. For a row of a smoke test
    the caller adds "smoke".
    """
    record = {
        "id": id,
        "score": score,
        "decision": decision,
        "unit": None if unit is None else pseudonymize(unit, salt),
        "row": row,
    }
    if arm:
        record["arm"] = arm
    if scores:
        record["scores"] = scores
    return record


def build_event(
    predictions: Sequence[dict[str, Any]],
    *,
    model_version: str,
    bundle: str,
    mode: str,
    caller: str,
    request: str,
    at: datetime,
) -> bytes:
    """Build the event of predictions by one bundle, as JSON.

    The statements of shipping.py turn it into rows. `caller` and `request` identify the sender: a
    key and a request for the service, a person and a run for batch scoring. `at` is UTC. A batch
    passes its start time, so that its run can be deleted again.
    """
    event = {
        "bundle": bundle,
        "model_version": model_version,
        "arm": CHAMPION,
        "mode": mode,
        "caller": caller[:MAX_CALLER],
        "request": request,
        "predictions": predictions,
        "number": event_number(),
        "at": at.isoformat(" ", "microseconds")[:26],
    }
    return to_json(event, fallback=to_plain)


def to_plain(value: Any) -> Any:
    """Convert a numpy scalar to a Python value, because a decision may be one."""
    return value.item()
