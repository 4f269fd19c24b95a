"""The alert drill: test alerts through a running Alertmanager.

It checks that each alert reaches the accountable person of its outcome.
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
from ..loopback import describe_proxy, open_address
from ..training.evidence_store import finding
from .drills import DrillError

DRILL_ALERT = "AlertDrill"
SEVERITIES = ("page", "ticket")
# Seconds until Alertmanager shows the posted alerts.
ROUTING_TIMEOUT = 10.0
# Seconds. Longer than the group_wait of every route, so that the messages are sent.
DURATION = 45.0
# Alertmanager ends the test alerts after this time if the command cannot end them.
EXPIRES_AFTER = timedelta(minutes=10)
ISO = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Alertmanager:
    """An Alertmanager at an address (http://host:port), used by its API v2."""

    address: str

    def call(self, route: str, content: Any = None) -> Any:
        """Send a request to the API and return its JSON.

        Raises DrillError if Alertmanager refuses or cannot be reached.
        """
        message = None if content is None else json.dumps(content).encode()
        try:
            # The user of the command chooses the address.
            request = urllib.request.Request(  # noqa: S310
                f"{self.address}/api/v2/{route}", message, {"Content-Type": "application/json"}
            )
            with open_address(request, 10) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise DrillError(f"{self.address}/api/v2/{route}: {error.code}: {detail}") from error
        except (OSError, ValueError, HTTPException) as error:
            raise DrillError(
                f"no Alertmanager answers at {self.address}{describe_proxy(self.address)}: "
                f"{error}; start one with "
                "monitoring/alertmanager/alertmanager.yml, or give another address: "
                "URL=http://host:9093"
            ) from error

    def addresses(self) -> dict[str, frozenset[str]]:
        """Return the e-mail addresses of each receiver in the loaded configuration."""
        loaded = yaml.safe_load(self.call("status")["config"]["original"])
        return {
            receiver["name"]: frozenset(
                mail["to"].lower() for mail in receiver.get("email_configs") or ()
            )
            for receiver in loaded["receivers"]
        }

    def post(self, alerts: list[dict[str, str]], until: datetime) -> None:
        """Post test alerts that end at `until`."""
        note = {
            "summary": "This is a drill: no problem exists",
            "description": "Please confirm to the sender of the drill that you received this.",
        }
        end = until.strftime(ISO)
        self.call(
            "alerts", [{"labels": labels, "annotations": note, "endsAt": end} for labels in alerts]
        )

    def routed(self, system: str) -> dict[tuple[str, str], "AlertRoute"]:
        """Return the routes of the test alerts of a system, by outcome and severity.

        The filter on the system matters: another system may run a drill at the same time.
        """
        matchers = (
            f'alertname="{DRILL_ALERT}"',
            'drill="true"',
            f"system={json.dumps(system, ensure_ascii=False)}",
        )
        requested = urllib.parse.urlencode([("filter", matcher) for matcher in matchers])
        result = {}
        for alert in self.call(f"alerts?{requested}"):
            labels, state = alert["labels"], alert["status"]["state"]
            receivers = frozenset(receiver["name"] for receiver in alert["receivers"])
            result[labels["outcome"], labels["severity"]] = AlertRoute(
                receivers, state == "suppressed"
            )
        return result


@dataclass(frozen=True)
class AlertRoute:
    """The receivers of an alert; `muted` if a silence or an inhibition suppresses it."""

    receivers: frozenset[str]
    muted: bool


def run_alert_drill(
    manager: Alertmanager,
    ownership: Ownership,
    digests: dict[Subject, str],
    duration: float = DURATION,
    say: Callable[[str], None] = print,
) -> list[Evidence]:
    """Send a page and a ticket for each outcome, check their routes, and end them.

    `duration`: seconds until the alerts end. Raises DrillError.
    """
    known = manager.addresses()
    alerts = [
        {
            "alertname": DRILL_ALERT,
            "drill": "true",
            "system": ownership.system.name,
            "outcome": outcome.id,
            "severity": severity,
        }
        for outcome in ownership.outcomes
        for severity in SEVERITIES
    ]
    if not alerts:
        raise DrillError(
            "governance/ownership.yaml: outcomes is empty, so no alert can be sent. "
            "Works: an entry for each outcome"
        )
    manager.post(alerts, datetime.now(UTC) + EXPIRES_AFTER)
    try:
        routed = _wait_until_routed(manager, ownership.system.name, len(alerts))
        errors = [
            line
            for outcome in ownership.outcomes
            for line in _route_errors(ownership, outcome, routed, known, say)
        ]
        say(
            f"Alertmanager sends the messages within {duration:g} s. Ask these people whether they "
            f"received them: no command can check that."
        )
        time.sleep(duration)
    finally:
        manager.post(alerts, datetime.now(UTC))
    for line in errors:
        say(f"FAILED {line}")
    value = (
        f"{len(errors)} routing errors for {len(alerts)} alerts: {errors[0]}"[:500]
        if errors
        else f"{len(alerts)} alerts routed"
    )
    return [finding("alert-reaches-owner", not errors, digests, value)]


def _wait_until_routed(
    manager: Alertmanager, system: str, number: int
) -> dict[tuple[str, str], AlertRoute]:
    began = time.monotonic()
    while len(result := manager.routed(system)) < number:
        if time.monotonic() - began > ROUTING_TIMEOUT:
            raise DrillError(
                f"{manager.address} shows {len(result)} of {number} test alerts after "
                f"{ROUTING_TIMEOUT:g} s"
            )
        time.sleep(0.1)
    return result


def _route_errors(
    ownership: Ownership,
    outcome: Responsibility,
    routed: Mapping[tuple[str, str], AlertRoute],
    known: Mapping[str, frozenset[str]],
    say: Callable[[str], None],
) -> Iterator[str]:
    """Yield the routing errors of an outcome's alerts, and report who is reached."""
    owner, woken = ownership.person(outcome.accountable), on_call(ownership, outcome)
    for severity in SEVERITIES:
        result = routed[outcome.id, severity]
        reached = frozenset(address for name in result.receivers for address in known.get(name, ()))
        what = f"{outcome.id}, {severity}"
        say(
            f"{what}: {', '.join(sorted(reached)) or 'nobody'} "
            f"({', '.join(sorted(result.receivers))})"
        )
        if owner is None or not owner.is_named:
            yield (
                f"{what}: no person is named (governance/ownership.yaml: people: "
                f"{outcome.accountable})"
            )
            continue
        allowed = {owner.email.lower()} | (
            {woken.email.lower()} if woken and severity == "page" else set()
        )
        if result.muted:
            yield f"{what}: a silence or an inhibition of this Alertmanager suppresses it"
        if FALLBACK in result.receivers:
            yield (
                f"{what}: goes to the fallback receiver; load the current "
                f"monitoring/alertmanager/alertmanager.yml"
            )
        elif owner.email.lower() not in reached:
            yield f"{what}: does not reach {owner.display_name}, who is accountable for it"
        if strangers := reached - allowed:
            yield f"{what}: reaches {', '.join(sorted(strangers))}, who is not accountable for it"
