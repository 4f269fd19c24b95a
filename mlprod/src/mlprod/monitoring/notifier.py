"""What is wrong, told once to one address: what is new, what goes on, what has ended.

Standard library only.
"""

import json
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..assets import runbook
from ..atomic_write import atomic_write
from ..loopback import open_address, proxy_of
from .alerts import Alert

SECONDS = 10  # for the address to take it
Wrong = dict[str, dict[str, Any]]
"""Signal's id → what is told of it."""


class DeliveryError(Exception):
    """The address did not take the message; the next run tells it again."""


@dataclass(frozen=True)
class AlertDigest:
    """`wrong` now, and what has `ended` since it was last told."""

    wrong: Wrong
    ended: Wrong

    def message(self, system: str, at: datetime) -> dict[str, Any]:
        message = {
            name: [{"id": id, **facts} for id, facts in sorted(getattr(self, name).items())]
            for name in FIELDS
        }
        return {"system": system, "at": _iso(at), **message}


FIELDS = ("wrong", "ended")


def news(
    path: Path, signals: Iterable[Alert], owners: Mapping[str, str], now: datetime
) -> AlertDigest:
    """What is wrong, compared with what was told last. What went wrong before keeps its `since`."""
    before = _read(path)
    errors: Wrong = {}
    for signal in signals:
        since = before.get(signal.id, {}).get("since", _iso(now))
        owner = owners.get(signal.outcome, "TODO")
        facts = {
            "alert": signal.alert,
            "says": signal.says,
            "outcome": signal.outcome,
            "owner": owner,
        }
        errors[signal.id] = {**facts, "since": since, "runbook": runbook(signal.alert)}
    return AlertDigest(errors, {id: facts for id, facts in before.items() if id not in errors})


def remember(path: Path, found: AlertDigest, *, taken: bool) -> None:
    """Keep what was told, at once or not at all.

    What ended and was not taken is kept, to be told again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = found.wrong if taken else found.ended | found.wrong
    atomic_write(path, json.dumps(stored, indent=1).encode())


def post(url: str, message: Mapping[str, Any], token: str = "") -> None:
    """One POST of JSON; `token` goes along as Authorization: Bearer. Raises DeliveryError."""
    headers = {"content-type": "application/json"} | (
        {"authorization": f"Bearer {token}"} if token else {}
    )
    where = _split(url)
    if where is None or where.scheme not in ("http", "https") or not where.hostname:
        raise DeliveryError(
            "the address of the webhook cannot be used; give https://hooks.example.org/alerts"
        )
    request = urllib.request.Request(url, json.dumps(message).encode(), headers, method="POST")  # noqa: S310
    try:
        with open_address(request, SECONDS, _Straight):
            return
    except OSError as error:  # the address itself may hold a secret
        reason = (
            f"{getattr(error, 'reason', error)}{proxy_of(f'{where.scheme}://{where.hostname}')}"
        )
        raise DeliveryError(f"{where.hostname} did not take the message: {reason}") from None
    except (ValueError, HTTPException) as error:
        raise DeliveryError(
            f"{where.hostname} did not take the message: {type(error).__name__}"
        ) from None


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


class _Straight(urllib.request.HTTPRedirectHandler):
    """A message and its token go where they were meant to go, or nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _read(path: Path) -> Wrong:
    """What was told last; nothing when the file is absent or damaged: then all counts as new."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {id: dict(facts) for id, facts in result.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _iso(at: datetime) -> str:
    return at.isoformat(sep="T", timespec="seconds") + "Z"
