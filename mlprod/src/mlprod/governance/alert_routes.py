"""Configuration of Alertmanager: an alert goes to the person accountable for its outcome."""

import json
import re
from typing import Any

from .config import GovernanceConfig
from .ownership import Ownership, Person, Responsibility, Team

# Receiver of the alerts of an outcome while nobody is named for it.
FALLBACK = "fallback"
# Receiver that sends nothing: Alertmanager's own list shows information.
LISTED_ONLY = "shown"
PAGERDUTY = "pagerduty"
# Nobody is paged at night because a business figure is below its target.
NOT_ON_CALL = ("business_value", "adoption", "cost")
SECRETS = "/etc/alertmanager/secrets"
PAGE = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "30m"}
TICKET = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "1d"}
# Alerts of different projects or environments never share a message.
SEPARATING_LABELS = ["system", "environment", "namespace"]
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def alertmanager_config(org: GovernanceConfig) -> dict[str, Any]:
    """Render the configuration, for Alertmanager 0.25 and later.

    It contains no secret, only names of files.
    """
    ownership = org.ownership
    return {
        "global": _mail(ownership),
        "route": {
            "receiver": FALLBACK,
            "group_by": ["alertname", "outcome", *SEPARATING_LABELS],
            **TICKET,
            "routes": [
                {"matchers": ['severity="info"'], "receiver": LISTED_ONLY},
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
                "equal": SEPARATING_LABELS,
            }
        ],
        "receivers": _receivers(ownership),
    }


def team_of(ownership: Ownership, outcome: Responsibility) -> Team | None:
    """The team that is responsible for an outcome, or that the accountable person belongs to."""
    return next(
        (
            team
            for team in ownership.teams
            if team.id in outcome.responsible or outcome.accountable in team.members
        ),
        None,
    )


def on_call(ownership: Ownership, outcome: Responsibility) -> Person | None:
    """The person who is paged beside the accountable person; None if there is none."""
    team = team_of(ownership, outcome)
    person = ownership.person(team.on_call) if team and outcome.id not in NOT_ON_CALL else None
    return person if person and person.is_named and person.id != outcome.accountable else None


def _own_system(name: str) -> str:
    """Matcher for the alerts of this system, and for those without the label.

    The people of another system are not known here.
    """
    escaped = re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)
    return f"system=~{json.dumps(f'{escaped}|', ensure_ascii=False)}"


def _route(ownership: Ownership, outcome: Responsibility) -> dict[str, Any]:
    """Route of an outcome: PagerDuty and on call (pages only), team channel, accountable person.

    The route of the accountable person comes last and ends the search.
    """
    owner, team, woken = (
        ownership.person(outcome.accountable),
        team_of(ownership, outcome),
        on_call(ownership, outcome),
    )
    receiver = _person(owner) if owner and owner.is_named else FALLBACK
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
        # An alert that matched the channel's route does not return to the parent.
        routes.append({"receiver": receiver})
    result = {
        "matchers": [f"outcome={json.dumps(outcome.id, ensure_ascii=False)}"],
        "receiver": receiver,
    }
    return {**result, "routes": routes} if routes else result


def _receivers(ownership: Ownership) -> list[dict[str, Any]]:
    serving = ownership.accountable_person("serving")
    result = [
        _receiver(ownership, FALLBACK, serving if serving and serving.is_named else None),
        {"name": LISTED_ONLY},
    ]
    result += [
        _receiver(ownership, _person(person), person)
        for person in ownership.people
        if person.is_named
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
    alerting = ownership.alerting
    result: dict[str, Any] = {
        "smtp_smarthost": alerting.smarthost,
        "smtp_from": alerting.sender,
        "smtp_require_tls": alerting.smarthost.rpartition(":")[0] not in LOCAL_HOSTS,
    }
    if alerting.username:
        result |= {
            "smtp_auth_username": alerting.username,
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
