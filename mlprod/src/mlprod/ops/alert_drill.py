"""Test alerts through a running Alertmanager: where does it take them, and is that who answers for
the outcome?
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any

import yaml

from ..governance.alert_routes import FALLBACK, on_call
from ..governance.check_catalogue import Subject
from ..governance.evidence import Evidence
from ..governance.ownership import Ownership, Responsibility
from ..loopback import open_address, proxy_of
from ..training.evidence_store import finding
from .drills import DrillError

NAME = "AlertDrill"
SEVERITIES = ("page", "ticket")
WAIT = 10.0  # seconds until Alertmanager shows what was posted
DURATION = 45.0  # longer than the group_wait of every route, so that the messages leave
EXPIRES_AFTER = timedelta(minutes=10)  # ends by itself when this command cannot end it
ISO = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Alertmanager:
    """An Alertmanager at an address (http://host:port), by its API v2."""

    address: str

    def ask(self, route: str, content: Any = None) -> Any:
        """Raises DrillError when it refuses or is not there."""
        message = None if content is None else json.dumps(content).encode()
        try:
            request = urllib.request.Request(  # noqa: S310 - the address is who runs the command's own
                f"{self.address}/api/v2/{route}", message, {"Content-Type": "application/json"}
            )
            with open_address(request, 10) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise DrillError(f"{self.address}/api/v2/{route}: {error.code}: {detail}") from error
        except (OSError, ValueError, HTTPException) as error:
            raise DrillError(
                f"no Alertmanager answers at {self.address}{proxy_of(self.address)}: "
                f"{error}; start one with "
                "monitoring/alertmanager/alertmanager.yml, or say which: URL=http://host:9093"
            ) from error

    def addresses(self) -> dict[str, frozenset[str]]:
        """The e-mail addresses behind each receiver of the configuration that it has loaded."""
        loaded = yaml.safe_load(self.ask("status")["config"]["original"])
        return {
            receiver["name"]: frozenset(
                mail["to"].lower() for mail in receiver.get("email_configs") or ()
            )
            for receiver in loaded["receivers"]
        }

    def post(self, alerts: list[dict[str, str]], until: datetime) -> None:
        note = {
            "summary": "A drill: nothing is wrong",
            "description": "Tell whoever ran it that this reached you.",
        }
        end = until.strftime(ISO)
        self.ask(
            "alerts", [{"labels": labels, "annotations": note, "endsAt": end} for labels in alerts]
        )

    def routed(self, system: str) -> dict[tuple[str, str], "AlertRoute"]:
        """The test alerts of a system that it knows, by outcome and severity; another may drill at
        the same time.
        """
        matchers = (
            f'alertname="{NAME}"',
            'drill="true"',
            f"system={json.dumps(system, ensure_ascii=False)}",
        )
        requested = urllib.parse.urlencode([("filter", matcher) for matcher in matchers])
        result = {}
        for alert in self.ask(f"alerts?{requested}"):
            labels, state = alert["labels"], alert["status"]["state"]
            receivers = frozenset(receiver["name"] for receiver in alert["receivers"])
            result[labels["outcome"], labels["severity"]] = AlertRoute(
                receivers, state == "suppressed"
            )
        return result


@dataclass(frozen=True)
class AlertRoute:
    """Where Alertmanager takes an alert; `muted` when a silence or an inhibition keeps it back."""

    receivers: frozenset[str]
    muted: bool


def drill(
    manager: Alertmanager,
    ownership: Ownership,
    digests: dict[Subject, str],
    hold: float = DURATION,
    say: Callable[[str], None] = print,
) -> list[Evidence]:
    """A page and a ticket for each outcome, held until the messages have left, then ended.

    Raises DrillError.
    """
    known = manager.addresses()
    alerts = [
        {
            "alertname": NAME,
            "drill": "true",
            "system": ownership.system.name,
            "outcome": outcome.id,
            "severity": severity,
        }
        for outcome in ownership.outcomes
        for severity in SEVERITIES
    ]
    if not alerts:
        raise DrillError("governance/ownership.yaml names no outcome, so there is no alert to try")
    manager.post(alerts, datetime.now(UTC) + EXPIRES_AFTER)
    try:
        routed = _all_routed(manager, ownership.system.name, len(alerts))
        errors = [
            line
            for outcome in ownership.outcomes
            for line in _compared(ownership, outcome, routed, known, say)
        ]
        say(
            f"The messages leave within {hold:g} s. Ask those named whether they came: no "
            f"command can see that."
        )
        time.sleep(hold)
    finally:
        manager.post(alerts, datetime.now(UTC))
    for line in errors:
        say(f"WRONG {line}")
    value = (
        f"{len(errors)} of {len(alerts)} go wrong: {errors[0]}"[:500]
        if errors
        else f"{len(alerts)} alerts routed"
    )
    return [finding("alert-reaches-owner", not errors, digests, value)]


def _all_routed(
    manager: Alertmanager, system: str, number: int
) -> dict[tuple[str, str], AlertRoute]:
    began = time.monotonic()
    while len(result := manager.routed(system)) < number:
        if time.monotonic() - began > WAIT:
            raise DrillError(
                f"{manager.address} shows {len(result)} of {number} test alerts after {WAIT:g} s"
            )
        time.sleep(0.1)
    return result


def _compared(
    ownership: Ownership,
    outcome: Responsibility,
    routed: Mapping[tuple[str, str], AlertRoute],
    known: Mapping[str, frozenset[str]],
    say: Callable[[str], None],
) -> Iterator[str]:
    """What is wrong with the way of an outcome's alerts; says who is reached."""
    owner, woken = ownership.person(outcome.accountable), on_call(ownership, outcome)
    for severity in SEVERITIES:
        result = routed[outcome.id, severity]
        reached = frozenset(address for name in result.receivers for address in known.get(name, ()))
        what = f"{outcome.id}, {severity}"
        say(
            f"{what}: {', '.join(sorted(reached)) or 'nobody'} "
            f"({', '.join(sorted(result.receivers))})"
        )
        if owner is None or not owner.known:
            yield (
                f"{what}: nobody is named (governance/ownership.yaml: people: "
                f"{outcome.accountable})"
            )
            continue
        allowed = {owner.email.lower()} | (
            {woken.email.lower()} if woken and severity == "page" else set()
        )
        if result.muted:
            yield f"{what}: a silence or an inhibition of this Alertmanager keeps it back"
        if FALLBACK in result.receivers:
            yield (
                f"{what}: goes to the fallback; load monitoring/alertmanager/alertmanager.yml "
                f"as it is now"
            )
        elif owner.email.lower() not in reached:
            yield f"{what}: does not reach {owner.shown}, who answers for it"
        if strangers := reached - allowed:
            yield f"{what}: reaches {', '.join(sorted(strangers))}, who does not answer for it"
