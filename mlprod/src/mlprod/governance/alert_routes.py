"""Alertmanager's configuration: an alert names an outcome, and goes to the person who is
accountable for it.
"""

import json
import re
from typing import Any

from .config import GovernanceConfig
from .ownership import Ownership, Person, Responsibility, Team

FALLBACK = "fallback"  # where an outcome goes while nobody is named for it
SHOWN = "shown"  # sends nothing: information stands in Alertmanager's own list
PAGERDUTY = "pagerduty"
NOT_ON_CALL = (
    "business_value",
    "adoption",
    "cost",
)  # a figure below its target wakes nobody, an engineer least of all
SECRETS = "/etc/alertmanager/secrets"
PAGE = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "30m"}
TICKET = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "1d"}
APART = [
    "system",
    "environment",
    "namespace",
]  # alerts of different projects or environments never share a message
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def alertmanager(org: GovernanceConfig) -> dict[str, Any]:
    """The whole configuration, for Alertmanager 0.25 and later.

    No secret stands in it, only names of files.
    """
    ownership = org.ownership
    return {
        "global": _mail(ownership),
        "route": {
            "receiver": FALLBACK,
            "group_by": ["alertname", "outcome", *APART],
            **TICKET,
            "routes": [
                {"matchers": ['severity="info"'], "receiver": SHOWN},
                {
                    "matchers": [_own_system(ownership.system.name)],
                    "receiver": FALLBACK,
                    "routes": [_route(ownership, outcome) for outcome in ownership.outcomes],
                },
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="ErrorBudgetBurnsFast"'],
                "target_matchers": ['alertname="ErrorBudgetBurnsSlowly"'],
                "equal": APART,
            }
        ],
        "receivers": _receivers(ownership),
    }


def team_of(ownership: Ownership, outcome: Responsibility) -> Team | None:
    """The team that works for an outcome: responsible for it, or with the accountable among its
    members.
    """
    return next(
        (
            team
            for team in ownership.teams
            if team.id in outcome.responsible or outcome.accountable in team.members
        ),
        None,
    )


def on_call(ownership: Ownership, outcome: Responsibility) -> Person | None:
    """Who is woken beside the accountable person, when somebody is."""
    team = team_of(ownership, outcome)
    person = ownership.person(team.on_call) if team and outcome.id not in NOT_ON_CALL else None
    return person if person and person.known and person.id != outcome.accountable else None


def _own_system(name: str) -> str:
    """Matches the alerts of this system, and those without the label: another system's people are
    not known here.
    """
    escaped = re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)
    return f"system=~{json.dumps(f'{escaped}|', ensure_ascii=False)}"


def _route(ownership: Ownership, outcome: Responsibility) -> dict[str, Any]:
    """To PagerDuty and the one on call (pages only), the team's channel and the accountable person,
    whose route ends the search.
    """
    owner, team, woken = (
        ownership.person(outcome.accountable),
        team_of(ownership, outcome),
        on_call(ownership, outcome),
    )
    receiver = _person(owner) if owner and owner.known else FALLBACK
    page = {"matchers": ['severity="page"']}
    routes: list[dict[str, Any]] = []
    if ownership.alerting.pagerduty and outcome.id not in NOT_ON_CALL:
        routes.append({**page, "receiver": PAGERDUTY, "continue": True, **PAGE})
    if woken:
        routes.append({**page, "receiver": _person(woken), "continue": True, **PAGE})
    if team and _slack(team):
        routes.append({"receiver": _team(team), "continue": True})
    if outcome.id not in NOT_ON_CALL:
        routes.append({**page, "receiver": receiver, **PAGE})
    if team and _slack(team):
        routes.append(
            {"receiver": receiver}
        )  # since an alert that went to the channel comes back to no parent
    result = {
        "matchers": [f"outcome={json.dumps(outcome.id, ensure_ascii=False)}"],
        "receiver": receiver,
    }
    return {**result, "routes": routes} if routes else result


def _receivers(ownership: Ownership) -> list[dict[str, Any]]:
    serving = ownership.answers_for("serving")
    result = [
        _receiver(ownership, FALLBACK, serving if serving and serving.known else None),
        {"name": SHOWN},
    ]
    result += [
        _receiver(ownership, _person(person), person) for person in ownership.people if person.known
    ]
    if ownership.alerting.pagerduty:
        key = f"{SECRETS}/pagerduty_key"
        result.append(
            {
                "name": PAGERDUTY,
                "pagerduty_configs": [{"routing_key_file": key, "send_resolved": True}],
            }
        )
    for team in ownership.teams:
        if _slack(team):
            result.append(
                {
                    "name": _team(team),
                    "slack_configs": [{"channel": team.channel, "send_resolved": True}],
                }
            )
    return result


def _receiver(ownership: Ownership, name: str, person: Person | None) -> dict[str, Any]:
    result: dict[str, Any] = {"name": name}
    if person:
        result["email_configs"] = [{"to": person.email, "send_resolved": True}]
    if url := ownership.alerting.webhook:
        token = {"http_config": {"authorization": {"credentials_file": f"{SECRETS}/webhook_token"}}}
        result["webhook_configs"] = [
            {"url": url, **(token if ownership.alerting.webhook_token else {})}
        ]
    return result


def _mail(ownership: Ownership) -> dict[str, Any]:
    message = ownership.alerting
    result: dict[str, Any] = {
        "smtp_smarthost": message.smarthost,
        "smtp_from": message.sender,
        "smtp_require_tls": message.smarthost.rpartition(":")[0] not in LOCAL,
    }
    if message.username:
        result |= {
            "smtp_auth_username": message.username,
            "smtp_auth_password_file": f"{SECRETS}/smtp_password",
        }
    if any(_slack(team) for team in ownership.teams):
        result["slack_api_url_file"] = f"{SECRETS}/slack_url"
    return result


def _slack(team: Team) -> bool:
    return team.channel.startswith("#")


def _person(person: Person) -> str:
    return f"person/{person.id}"


def _team(team: Team) -> str:
    return f"team/{team.id}"
