"""Notifications about alerts to one webhook: active alerts, and alerts that have ended.

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

from ..atomic_write import atomic_write
from ..loopback import describe_proxy, open_address
from .alerts import Alert
from .thresholds import RUNBOOKS

TIMEOUT_SECONDS = 10
AlertFacts = dict[str, dict[str, Any]]
"""Id of an alert → its fields in the message."""


class DeliveryError(Exception):
    """The webhook did not accept the message; the next run sends it again."""


@dataclass(frozen=True)
class AlertDigest:
    """The `active` alerts, and those that have `ended` since the last message."""

    active: AlertFacts
    ended: AlertFacts

    def message(self, system: str, at: datetime) -> dict[str, Any]:
        """Return the JSON payload of the webhook."""
        message = {
            key: [{"id": id, **facts} for id, facts in sorted(group.items())]
            for key, group in (("wrong", self.active), ("ended", self.ended))
        }
        return {"system": system, "at": _iso(at), **message}


def build_digest(
    path: Path, alerts: Iterable[Alert], owners: Mapping[str, str], now: datetime
) -> AlertDigest:
    """Compare the alerts with the last digest in `path`; a known alert keeps its `since`."""
    before = _read(path)
    active: AlertFacts = {}
    for alert in alerts:
        since = before.get(alert.id, {}).get("since", _iso(now))
        owner = owners.get(alert.outcome, "TODO")
        facts = {
            "alert": alert.alert,
            "says": alert.message,
            "outcome": alert.outcome,
            "owner": owner,
        }
        active[alert.id] = {**facts, "since": since, "runbook": RUNBOOKS[alert.alert]}
    return AlertDigest(active, {id: facts for id, facts in before.items() if id not in active})


def save_digest(path: Path, digest: AlertDigest, *, delivered: bool) -> None:
    """Save the digest in one atomic step.

    If the message was not delivered, the ended alerts stay in the file, so the next run sends them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = digest.active if delivered else digest.ended | digest.active
    atomic_write(path, json.dumps(stored, indent=1).encode())


def post_message(url: str, message: Mapping[str, Any], token: str = "") -> None:
    """Send one POST of JSON, with `token` as bearer token. Raises DeliveryError."""
    headers = {"content-type": "application/json"} | (
        {"authorization": f"Bearer {token}"} if token else {}
    )
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # The URL itself may hold a secret, so it is not repeated.
        raise DeliveryError(
            "the webhook URL is not an http or https URL with a host; "
            "works: https://hooks.example.org/alerts"
        )
    request = urllib.request.Request(url, json.dumps(message).encode(), headers, method="POST")  # noqa: S310
    try:
        with open_address(request, TIMEOUT_SECONDS, _NoRedirect):
            return
    except OSError as error:
        # The path of the URL may hold a secret, so only the host is named.
        proxy = describe_proxy(f"{parts.scheme}://{parts.hostname}")
        reason = f"{getattr(error, 'reason', error)}{proxy}"
        raise DeliveryError(f"{parts.hostname} did not accept the message: {reason}") from None
    except (ValueError, HTTPException) as error:
        raise DeliveryError(
            f"{parts.hostname} did not accept the message: {type(error).__name__}"
        ) from None


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, so that the token reaches no other host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _read(path: Path) -> AlertFacts:
    """Return the last digest; empty if the file is missing or damaged: then all alerts are new."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {id: dict(facts) for id, facts in result.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _iso(at: datetime) -> str:
    return at.isoformat(sep="T", timespec="seconds") + "Z"
