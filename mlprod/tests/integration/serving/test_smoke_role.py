"""Smoke tests need a role: without it, nobody can hide a case by its id."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point, serve
from seams import PARCEL, binary

from mlprod.records.smoke import of_cases
from mlprod.records.store import Store
from mlprod.records.tables import feedback, outcomes, predictions
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings

ROLES = ("predict", "outcomes", "feedback")


@dataclass(frozen=True)
class Service:
    """A service with two keys: of the shop, and of a tester with the role smoke."""

    client: Client
    keys: dict[str, str]
    settings: Settings

    def send(self, id: str, predicts: str, tells: str) -> None:
        """Send a prediction, its outcome and feedback."""
        received = {"prediction_id": id, "outcome": 1, "at": "2026-01-31T12:00:00Z"}
        self.post("predict", {"rows": [PARCEL | {"id": id}]}, predicts)
        self.post("outcomes", {"outcomes": [received]}, tells)
        self.post(
            "feedback",
            {"feedback": [{"prediction_id": id, "verdict": "edited", "reviewer": "d"}]},
            tells,
        )

    def post(self, route: str, body: dict[str, Any], who: str) -> None:
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        answer = self.client.post(f"/v1/{route}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    def scored(self) -> float:
        lines = self.client.operations.get("/metrics").text.splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("ml_predictions_total{")
        )

    def marks(self, table: str) -> dict[str, bool]:
        id = "id" if table == "predictions" else "prediction_id"
        path = self.settings.database_url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            result = connection.execute(f"SELECT {id}, smoke FROM {table}").fetchall()  # noqa: S608
        return {id: bool(mark) for id, mark in result}

    def cases(self, table: Any) -> set[str]:
        store = Store(self.settings.database_url)
        with store.connected() as connection:
            result = connection.execute(table.select().where(of_cases(table))).mappings().all()
        store.engine.dispose()
        return {row["prediction_id" if "prediction_id" in row else "id"] for row in result}


@pytest.fixture
def service(settings: Settings, trained: Trained) -> Iterator[Service]:
    path = settings.spooled / "keys.json"
    keys = {
        "shop": add_key(path, "shop", ROLES),
        "tester": add_key(path, "tester", [*ROLES, "smoke"]),
    }
    keyed = settings.model_copy(update={"keys_file": path})
    point(settings.models, trained.bundle, 1)
    with serve(binary, keyed) as client:
        yield Service(client, keys, keyed)


def test_without_the_role_a_smoke_id_counts_as_a_case(service: Service) -> None:
    service.send("a", "shop", "shop")
    service.scored()  # a new series shows zero first
    for number in range(20):
        service.send(f"smoke-{number}", "shop", "shop")
    assert service.scored() == 21
    eventually(lambda: len(service.marks("predictions")) == 21)
    for name, table in (
        ("predictions", predictions),
        ("outcomes", outcomes),
        ("feedback", feedback),
    ):
        assert not any(service.marks(name).values())
        assert len(service.cases(table)) == 21


def test_records_of_a_tester_are_marked_and_are_not_cases(service: Service) -> None:
    service.send("a", "shop", "shop")
    service.scored()
    for id in ("smoke-1", "Smoke-2", "smoke", "a-smoke-3", " smoke-4"):
        service.send(id, "tester", "tester")
    service.post("predict", {"rows": [PARCEL | {"id": id} for id in ("smoke-5", "b")]}, "tester")
    cases = {"a", "Smoke-2", "smoke", "a-smoke-3", " smoke-4"}
    assert service.scored() == len(cases) + 1
    eventually(lambda: len(service.marks("predictions")) == 8)
    assert service.cases(predictions) == cases | {"b"}
    assert service.cases(outcomes) == service.cases(feedback) == cases
    assert {id for id, mark in service.marks("outcomes").items() if mark} == {"smoke-1"}


def test_a_tester_cannot_hide_the_outcome_of_a_case(service: Service) -> None:
    service.send("smoke-1", predicts="shop", tells="tester")
    eventually(lambda: service.marks("predictions"))
    assert service.cases(outcomes) == service.cases(feedback) == {"smoke-1"}


def test_the_outcome_of_a_smoke_prediction_is_not_a_case_from_any_sender(service: Service) -> None:
    service.send("smoke-1", predicts="tester", tells="shop")
    eventually(lambda: service.marks("predictions"))
    assert service.cases(outcomes) == service.cases(feedback) == set()


@pytest.mark.parametrize(("who", "counts"), [("shop", True), ("tester", False)])
def test_an_outcome_without_a_prediction_is_marked_by_its_senders_role(
    service: Service, who: str, counts: bool
) -> None:
    received = {"prediction_id": "smoke-never", "outcome": 1, "at": "2026-01-31T12:00:00Z"}
    service.post("outcomes", {"outcomes": [received]}, who)
    assert service.cases(outcomes) == ({"smoke-never"} if counts else set())


def test_without_keys_every_caller_has_the_smoke_role(client: Client, settings: Settings) -> None:
    local = Service(client, {"me": ""}, settings)
    local.send("smoke-1", "me", "me")
    eventually(lambda: local.marks("predictions"))
    assert local.cases(predictions) == local.cases(outcomes) == local.cases(feedback) == set()


def test_a_key_can_read_its_roles(service: Service) -> None:
    for who, roles in (("shop", ROLES), ("tester", (*ROLES, "smoke"))):
        headers = {"authorization": f"Bearer {service.keys[who]}"}
        facts = service.client.get("/v1/model", headers=headers).json()
        assert (facts["caller"], facts["roles"]) == (who, sorted(roles))
