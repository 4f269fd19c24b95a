"""The event of predictions: what the service and batch scoring record of them.

Knows no model and no contract.
"""

import itertools
import os
import time
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

CHAMPION, EXPLORED = "champion", "explored"  # arms
MAX_CALLER = 128  # characters

_PROCESS = f"{int(time.time() * 1_000):012x}{os.urandom(3).hex()}"
_events = itertools.count()


def event_number() -> str:
    """The number of an event, 28 hexadecimal digits: when this process began, random bits, and how
    many came before.

    The database adds four digits for the place of a row, which number one answer.
    """
    return f"{_PROCESS}{next(_events):010x}"


def pseudonymize(name: str, salt: bytes) -> str:
    """What stands for a name in the records: the same for the same name, and no way back without
    the salt.
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
) -> dict[str, Any]:
    """One prediction of an event. `row` must hold no PII field; `unit` is recorded as a pseudonym.

    `arm` is that of this row where it is not the event's. Of a row that only tried the service the
    caller adds "smoke".
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
    """The event of some predictions by one bundle, as JSON; the statements of shipping.py make rows
    of it.

    `caller` and `request` say who asked. A service names a key and a request, batch scoring a
    person and a run. `at` is UTC. A batch gives its start, by which a run can be deleted again.
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
    """A decision may be a numpy scalar."""
    return value.item()
