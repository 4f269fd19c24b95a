"""Readiness of a replica for traffic, and who can read it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Client, Trained, eventually, point, serve
from seams import PARCEL, binary

from mlprod.records import event_log as spools
from mlprod.serving import api_keys
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings

READY, NOT_READY = (200, {"status": "ready"}), (503, {"status": "not ready"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def keyed(settings: Settings, trained: Trained, path: Path) -> Iterator[Client]:
    """A service that needs keys; its client has one."""
    key = add_key(path, "checkout", ["predict"])
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings.model_copy(update={"keys_file": path})) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield client


def to_balancers(client: Client) -> tuple[int, object]:
    """Return status and body for a load balancer, which has no key."""
    answer = client.get("/healthz", headers={"authorization": ""})
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def to_cluster(client: Client) -> tuple[int, str]:
    answer = client.operations.get("/readyz")
    return answer.status_code, answer.json()["status"]


def metric(client: Client, name: str) -> float:
    (line,) = [
        item
        for item in client.operations.get("/metrics").text.splitlines()
        if item.startswith(f"{name} ")
    ]
    return float(line.split()[1])


def test_load_balancers_need_no_key_and_only_see_whether_to_send_traffic(
    keyed: Client,
) -> None:
    assert to_balancers(keyed) == READY
    assert keyed.head("/healthz", headers={"authorization": ""}).status_code == 200
    keyed.assembly.service.draining = True
    assert to_balancers(keyed) == NOT_READY


def test_only_the_health_check_works_without_a_key(keyed: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert keyed.request(method, "/healthz", headers={"authorization": ""}).status_code == 401
    for route in (
        "/healthz/",
        "/HEALTHZ",
        "/healthz/x",
        "/healthz%00",
        "/v1/healthz",
        "/readyz",
        "/metrics",
        "/",
    ):
        assert keyed.get(route, headers={"authorization": ""}).status_code == 401


def test_probes_are_neither_counted_nor_refused_under_load(
    keyed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed.assembly.limits, "requests", 0)
    assert keyed.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 503
    assert to_balancers(keyed) == READY
    assert "/healthz" not in keyed.operations.get("/metrics").text


def test_without_a_model_a_replica_is_not_ready(settings: Settings) -> None:
    with serve(binary, settings) as client:
        assert to_balancers(client) == NOT_READY
        assert to_cluster(client) == (503, "no model")


def test_while_predictions_cannot_be_recorded_a_replica_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metric(client, "ml_event_log_writable") == 1
    monkeypatch.setattr(client.assembly.spool, "limit", 10)
    assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 503
    assert to_cluster(client) == (503, "no event log")
    assert "the limit is 10" in client.operations.get("/readyz").json()["detail"]
    assert to_balancers(client) == NOT_READY
    assert metric(client, "ml_event_log_writable") == 0
    monkeypatch.undo()
    eventually(lambda: to_cluster(client) == (200, "ready"))
    assert to_balancers(client) == READY
    assert metric(client, "ml_event_log_writable") == 1


def test_a_replica_is_ready_again_after_a_time_without_refusals(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "HOLD_SECONDS", 600)
    monkeypatch.setattr(client.assembly.spool, "limit", 10)
    assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 503
    monkeypatch.setattr(client.assembly.spool, "limit", 1_000_000)
    assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200, (
        "who asks all the same is answered"
    )
    client.assembly.spool.check()
    assert to_cluster(client) == (503, "no event log")


@pytest.mark.parametrize("content", [None, "", '{"salt": "0123456789abcdef"'])
def test_keys_of_a_missing_or_broken_file_end_after_a_time(
    keyed: Client, path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = path.read_text()
    assert metric(keyed, "ml_keys_valid") == 1
    path.unlink()
    if content is not None:
        path.write_text(content)
    eventually(lambda: metric(keyed, "ml_keys_valid") == 0)
    assert keyed.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200, (
        "an edit may go wrong for a moment"
    )
    assert to_cluster(keyed) == (200, "ready")

    monkeypatch.setattr(api_keys, "HOLD_SECONDS", 0.0)
    eventually(lambda: keyed.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 503)
    assert (
        "the service cannot read its keys"
        in keyed.post("/v1/predict", json={"rows": [PARCEL]}).json()["detail"]
    )
    assert keyed.get("/v1/model", headers={"authorization": ""}).status_code == 503
    assert to_cluster(keyed) == (503, "no keys")
    assert to_balancers(keyed) == NOT_READY

    draft = path.with_name("draft")
    draft.write_text(good)
    draft.replace(path)
    eventually(lambda: to_cluster(keyed) == (200, "ready"))
    assert keyed.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200
    assert metric(keyed, "ml_keys_valid") == 1


def test_an_empty_list_of_keys_ends_all_of_them_at_once(keyed: Client, path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"keys": []}))
    eventually(lambda: keyed.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 401)
    assert metric(keyed, "ml_keys_valid") == 1
