"""The alert drill on a simulated Alertmanager: what it reports for correct and wrong routes."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from filled import Filled, filled

from mlprod.governance.check_catalogue import Subject
from mlprod.governance.checks.ownership import OUTCOMES
from mlprod.governance.evidence import Evidence
from mlprod.ops import alert_drill
from mlprod.ops.alert_drill import Alertmanager, run_alert_drill
from mlprod.ops.drills import DrillError

__all__ = ["filled"]
DIGESTS: dict[Subject, str] = {"ownership": "o" * 64, "code": "c" * 64}
RECEIVERS = [
    "value_owner",
    "adoption_owner",
    "model_owner",
    "author",
    "data_owner",
    "platform_owner",
]
MAILS = ["ada", "flo", "bea", "gil", "cy", "dee"]


class FakeAlertmanager:
    """Routes by a table, as Alertmanager does by its configuration."""

    def __init__(self) -> None:
        self.mails = {
            f"person/{name}": f"{mail}@example.org"
            for name, mail in zip(RECEIVERS, MAILS, strict=True)
        }
        self.routes = dict.fromkeys(OUTCOMES, ("person/value_owner",)) | {
            "model_quality": ("person/model_owner", "team/fraud-team"),
            "data_quality": ("person/data_owner",),
            "serving": ("person/platform_owner",),
            "security_and_compliance": ("person/platform_owner",),
            "adoption": ("person/adoption_owner",),
        }
        self.woken: tuple[str, ...] = ("person/author",)
        self.state = "active"
        self.shown = len(OUTCOMES) * 2
        self.posted: list[list[dict[str, Any]]] = []
        self.code = 200

    @property
    def status(self) -> dict[str, Any]:
        mails = [
            {"name": name, "email_configs": [{"to": mail}]} for name, mail in self.mails.items()
        ]
        return {"config": {"original": json.dumps({"receivers": [{"name": "fallback"}, *mails]})}}

    def alerts(self, filters: list[str]) -> list[dict[str, Any]]:
        assert filters == ['alertname="AlertDrill"', 'drill="true"', 'system="fraud-scoring"']
        assert {alert["labels"]["system"] for alert in self.posted[0]} == {"fraud-scoring"}
        return [self._routed(alert["labels"]) for alert in self.posted[0]][: self.shown]

    def _routed(self, labels: dict[str, str]) -> dict[str, Any]:
        page = labels["outcome"] == "model_quality" and labels["severity"] == "page"
        names = [*self.routes[labels["outcome"]], *(self.woken if page else ())]
        return {
            "labels": labels,
            "status": {"state": self.state},
            "receivers": [{"name": name} for name in names],
        }


@pytest.fixture
def fake() -> FakeAlertmanager:
    return FakeAlertmanager()


@pytest.fixture
def manager(fake: FakeAlertmanager) -> Iterator[Alertmanager]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlparse(self.path)
            filters = parse_qs(url.query).get("filter", [])
            self._respond(fake.status if url.path == "/api/v2/status" else fake.alerts(filters))

        def do_POST(self) -> None:
            fake.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._respond(None)

        def _respond(self, content: Any) -> None:
            self.send_response(fake.code)
            self.end_headers()
            self.wfile.write(b"" if content is None else json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Alertmanager(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def ran(manager: Alertmanager, filled: Filled) -> tuple[Evidence, str]:
    message: list[str] = []
    (record,) = run_alert_drill(
        manager, filled.org.ownership, DIGESTS, duration=0, say=message.append
    )
    return record, "\n".join(message)


def test_alerts_that_reach_the_accountable_people_leave_evidence(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    record, message = ran(manager, filled)
    assert (record.check, record.passed, record.value) == (
        "alert-reaches-owner",
        True,
        "14 alerts routed",
    )
    assert record.digests == {"ownership": DIGESTS["ownership"]}
    assert "serving, page: dee@example.org (person/platform_owner)" in message
    assert "model_quality, page: bea@example.org, gil@example.org" in message
    assert "no command can check that" in message


def test_one_page_and_one_ticket_for_each_outcome_are_posted_and_ended(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    ran(manager, filled)
    first, last = fake.posted
    labels = [alert["labels"] for alert in first]
    assert {(item["outcome"], item["severity"]) for item in labels} == {
        (o, s) for o in OUTCOMES for s in ("page", "ticket")
    }
    assert {entry["drill"] for entry in labels} == {"true"}
    assert [alert["labels"] for alert in last] == labels
    ends = [datetime.fromisoformat(alerts[0]["endsAt"]) for alerts in (first, last)]
    assert ends[1] <= datetime.now(UTC) < ends[0]


@pytest.mark.parametrize(
    ("outcome", "route", "says"),
    [
        ("serving", ("fallback",), "serving, page: goes to the fallback"),
        (
            "serving",
            ("person/model_owner",),
            "serving, page: does not reach Dee Invented <dee@example.org>",
        ),
        (
            "serving",
            ("person/model_owner",),
            "serving, ticket: reaches bea@example.org, who is not accountable for it",
        ),
        (
            "adoption",
            ("person/adoption_owner", "person/author"),
            "adoption, page: reaches gil@example.org",
        ),
        (
            "cost",
            ("person/unheard_of",),
            "cost, ticket: does not reach Ada Invented <ada@example.org>",
        ),
    ],
)
def test_alert_with_a_wrong_route_fails_the_drill(
    manager: Alertmanager,
    fake: FakeAlertmanager,
    filled: Filled,
    outcome: str,
    route: tuple[str, ...],
    says: str,
) -> None:
    fake.routes[outcome] = route
    record, message = ran(manager, filled)
    assert not record.passed
    assert f"FAILED {says}" in message


def test_receiver_with_the_address_of_a_former_owner_fails_the_drill(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    filled.change(
        "ownership.yaml",
        "name: Cy Invented, email: cy@example.org",
        "name: Eve Invented, email: eve@example.org",
    )
    record, message = ran(manager, filled)
    assert not record.passed
    assert "FAILED data_quality, page: does not reach Eve Invented <eve@example.org>" in message
    assert message.count("FAILED") == 4


def test_ticket_that_reaches_the_person_on_call_fails_the_drill(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    fake.routes["model_quality"] += fake.woken
    record, message = ran(manager, filled)
    assert not record.passed
    assert "FAILED model_quality, ticket: reaches gil@example.org" in message
    assert message.count("FAILED") == 1


def test_outcome_without_a_named_person_fails_the_drill(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    filled.change(
        "ownership.yaml", "name: Cy Invented, email: cy@example.org", "name: TODO, email: TODO"
    )
    record, message = ran(manager, filled)
    assert not record.passed
    assert "FAILED data_quality, page: no person is named" in message


def test_silenced_alert_fails_the_drill(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    fake.state = "suppressed"
    record, message = ran(manager, filled)
    assert not record.passed
    assert message.count("suppresses it") == len(OUTCOMES) * 2


def test_alerts_that_never_appear_are_ended_nevertheless(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_drill, "ROUTING_TIMEOUT", 0.2)
    fake.shown = 13
    with pytest.raises(DrillError, match="shows 13 of 14 test alerts"):
        ran(manager, filled)
    assert len(fake.posted) == 2


def test_refusing_and_unreachable_alertmanager_raise_drill_error(
    manager: Alertmanager, fake: FakeAlertmanager, filled: Filled
) -> None:
    fake.code = 503
    with pytest.raises(DrillError, match="/api/v2/status: 503"):
        ran(manager, filled)
    with pytest.raises(DrillError, match=r"no Alertmanager answers at http://127\.0\.0\.1:9"):
        ran(Alertmanager("http://127.0.0.1:9"), filled)
