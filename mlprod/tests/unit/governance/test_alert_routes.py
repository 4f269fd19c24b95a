"""Tests of the generated routes: they are walked as Alertmanager does."""

import json
import re
from typing import Any

import pytest
import yaml
from filled import Filled, filled

from mlprod.assets import PROJECT
from mlprod.governance.alert_routes import (
    FALLBACK,
    LISTED_ONLY,
    NOT_ON_CALL,
    PAGERDUTY,
    SECRETS,
    alertmanager_config,
)
from mlprod.governance.checks.ownership import OUTCOMES
from mlprod.governance.yaml_loader import GovernanceError

ALERTS = yaml.safe_load((PROJECT.parent / "alerts.yaml").read_text(encoding="utf-8"))["alerts"]

__all__ = ["filled"]
BEA = "name: Bea Invented, email: bea@example.org"
TEAM = '  - {id: fraud-team, members: [model_owner, author], channel: "#fraud", on_call: author}'


def reached(
    configuration: dict[str, Any], outcome: str, severity: str, system: str = "fraud-scoring"
) -> list[str]:
    """The receivers of an alert: a matching child ends the search unless it has `continue`."""
    labels = {"outcome": outcome, "severity": severity, "system": system}

    def fits(route: dict[str, Any]) -> bool:
        parts = [re.fullmatch(r"(\w+)(=~?)(.*)", matcher) for matcher in route.get("matchers", ())]
        return all(
            part and _matches(labels[part[1]], part[2], json.loads(part[3])) for part in parts
        )

    def walk(route: dict[str, Any]) -> list[str]:
        result: list[str] = []
        for child in filter(fits, route.get("routes", ())):
            result += walk(child)
            if not child.get("continue"):
                break
        return result or [route["receiver"]]

    return walk(configuration["route"])


def _matches(value: str, operator: str, wanted: str) -> bool:
    return value == wanted if operator == "=" else re.fullmatch(wanted, value) is not None


def addresses(configuration: dict[str, Any], receivers: list[str]) -> set[str]:
    named = {item["name"]: item.get("email_configs", []) for item in configuration["receivers"]}
    return {mail["to"] for receiver in receivers for mail in named[receiver]}


def configure(filled: Filled, alerting: str) -> None:
    path = filled.folder / "ownership.yaml"
    path.write_text(f"{path.read_text()}alerting: {alerting}\n")


@pytest.mark.parametrize("severity", ["page", "ticket"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_alert_reaches_the_accountable_person(filled: Filled, outcome: str, severity: str) -> None:
    made = alertmanager_config(filled.org)
    owner = filled.org.ownership.accountable_person(outcome)
    assert owner
    assert owner.email in addresses(made, reached(made, outcome, severity))


@pytest.mark.parametrize("severity", ["page", "ticket"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_alert_of_another_system_goes_to_the_fallback(
    filled: Filled, outcome: str, severity: str
) -> None:
    made = alertmanager_config(filled.org)
    for system in ("fraud-scoring-2", "a-fraud-scoring", "other"):
        assert reached(made, outcome, severity, system) == [FALLBACK]
    assert reached(made, outcome, severity, "") == reached(made, outcome, severity), (
        "an alert without the label is our own"
    )


def test_name_of_a_system_is_matched_literally(filled: Filled) -> None:
    filled.change("ownership.yaml", "name: fraud-scoring", 'name: "a.b (c|d) \\\\ \\" é"')
    made = alertmanager_config(filled.org)
    name = 'a.b (c|d) \\ " é'
    assert filled.org.ownership.system.name == name
    assert reached(made, "serving", "page", name) == ["person/platform_owner"]
    for other in ('aXb (c|d) \\ " é', "c", 'd) \\ " é'):
        assert reached(made, "serving", "page", other) == [FALLBACK]


def test_alerts_of_different_systems_are_grouped_apart(filled: Filled) -> None:
    made = alertmanager_config(filled.org)
    assert {"system", "environment", "namespace"} <= set(made["route"]["group_by"])
    for rule in made["inhibit_rules"]:
        assert set(rule["equal"]) == {"system", "environment", "namespace"}
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            alert = json.loads(matcher.removeprefix("alertname="))
            assert alert in ALERTS, "the inhibiting alert exists"


def test_page_reaches_on_call_and_both_reach_the_channel(filled: Filled) -> None:
    made = alertmanager_config(filled.org)
    assert reached(made, "model_quality", "page") == [
        "person/author",
        "team/fraud-team",
        "person/model_owner",
    ]
    assert reached(made, "model_quality", "ticket") == ["team/fraud-team", "person/model_owner"]
    (slack,) = (
        item["slack_configs"] for item in made["receivers"] if item["name"] == "team/fraud-team"
    )
    assert slack[0]["channel"] == "#fraud"
    assert made["global"]["slack_api_url_file"].endswith("/slack_url")


@pytest.mark.parametrize("outcome", NOT_ON_CALL)
def test_value_and_adoption_never_page_on_call(filled: Filled, outcome: str) -> None:
    filled.change(
        "ownership.yaml",
        TEAM,
        TEAM.replace("[model_owner,", "[value_owner, adoption_owner, model_owner,"),
    )
    made = alertmanager_config(filled.org)
    assert "person/author" not in reached(made, outcome, "page")
    assert reached(made, outcome, "page") == reached(made, outcome, "ticket")


@pytest.mark.parametrize("outcome", [*OUTCOMES, "no_such_outcome"])
def test_information_is_not_sent(filled: Filled, outcome: str) -> None:
    configure(filled, "{webhook: 'https://hooks.example.org/in', pagerduty: true}")
    made = alertmanager_config(filled.org)
    assert reached(made, outcome, "info") == [LISTED_ONLY]
    assert [item for item in made["receivers"] if item["name"] == LISTED_ONLY] == [
        {"name": LISTED_ONLY}
    ]


def test_pagerduty_gets_pages_except_of_business_figures(filled: Filled) -> None:
    configure(filled, "{pagerduty: true}")
    made = alertmanager_config(filled.org)
    assert reached(made, "serving", "page") == [PAGERDUTY, "person/platform_owner"]
    assert reached(made, "model_quality", "page")[:2] == [PAGERDUTY, "person/author"]
    assert reached(made, "serving", "ticket") == ["person/platform_owner"]
    for outcome in NOT_ON_CALL:
        assert PAGERDUTY not in reached(made, outcome, "page")
    (sent,) = (item["pagerduty_configs"] for item in made["receivers"] if item["name"] == PAGERDUTY)
    assert sent == [{"routing_key_file": f"{SECRETS}/pagerduty_key", "send_resolved": True}]


def test_page_repeats_sooner_than_a_ticket(filled: Filled) -> None:
    _, own = alertmanager_config(filled.org)["route"]["routes"]
    routes = {route["matchers"][0]: route for route in own["routes"]}
    (page,) = routes['outcome="serving"']["routes"]
    assert (page["matchers"], page["repeat_interval"]) == (['severity="page"'], "30m")
    assert alertmanager_config(filled.org)["route"]["repeat_interval"] == "1d"


def test_alert_without_a_named_person_reaches_the_owner_of_the_service(
    filled: Filled,
) -> None:
    filled.change("ownership.yaml", BEA, "name: TODO, email: TODO")
    made = alertmanager_config(filled.org)
    assert reached(made, "model_quality", "page")[-1] == FALLBACK
    assert addresses(made, [FALLBACK]) == {"dee@example.org"}
    assert "TODO" not in json.dumps(made)


def test_unknown_outcome_goes_to_the_fallback(filled: Filled) -> None:
    assert reached(alertmanager_config(filled.org), "no_such_outcome", "page") == [FALLBACK]


def test_secrets_are_files(filled: Filled) -> None:
    mail = "smarthost: 'mail.example.org:587', sender: a@example.org, username: a"
    configure(
        filled, "{" + mail + ", webhook: 'https://hooks.example.org/in', webhook_token: true}"
    )
    made = alertmanager_config(filled.org)
    assert made["global"]["smtp_require_tls"] is True
    assert made["global"]["smtp_auth_password_file"] == f"{SECRETS}/smtp_password"
    for receiver in made["receivers"]:
        if not receiver["name"].startswith("team/") and receiver["name"] != LISTED_ONLY:
            (hook,) = receiver["webhook_configs"]
            assert hook["url"] == "https://hooks.example.org/in"
            assert hook["http_config"]["authorization"] == {
                "credentials_file": f"{SECRETS}/webhook_token"
            }


@pytest.mark.parametrize(
    "errors", ["smarthost: mail", "sender: nobody", "webhook: hooks.example.org", "password: x"]
)
def test_invalid_alerting_entry_is_refused(filled: Filled, errors: str) -> None:
    path = filled.folder / "ownership.yaml"
    path.write_text(f"{path.read_text()}alerting:\n  {errors}\n")
    with pytest.raises(GovernanceError, match=f"alerting.{errors.partition(':')[0]}"):
        _ = filled.org
