import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from conftest import Client, Trained, assemble, eventually, point, sealed, serve
from onnx_models import endless
from seams import PARCEL, binary

from mlprod.bundle import trial
from mlprod.bundle.loader import open_bundle
from mlprod.contract.encoding import columns_of
from mlprod.contract.schema import Fields
from mlprod.serving import model_loader as following
from mlprod.settings import Settings


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.01)


def version(client: Client) -> str | None:
    result: str | None = client.operations.get("/readyz").json().get("model_version")
    return result


def failures(client: Client, reason: str) -> float:
    line = 'ml_model_load_failures_total{reason="' + reason + '"} '
    received = client.operations.get("/metrics").text.splitlines()
    return sum(float(message.removeprefix(line)) for message in received if line in message)


def damaged(folder: Path) -> Path:
    (folder / "model.onnx").write_bytes(b"something else")
    return folder


@contextmanager
def listening(settings: Settings) -> Iterator[int]:
    """Run a real server in this process, and yield its port."""
    app = assemble(binary, settings).service
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def test_a_promotion_arrives_without_a_restart(
    settings: Settings, trained: Trained, trained_baseline: Trained
) -> None:
    point(settings.models, trained_baseline.bundle, 1)
    with serve(binary, settings) as client:
        assert version(client) == "1"
        point(settings.models, trained.bundle, 2)
        eventually(lambda: version(client) == "2")


def test_the_first_model_arrives_at_a_service_that_waits(
    settings: Settings, trained: Trained
) -> None:
    with serve(binary, settings) as client:
        assert client.operations.get("/readyz").status_code == 503
        point(settings.models, trained.bundle, 1)
        eventually(lambda: client.operations.get("/readyz").status_code == 200)


def test_swaps_under_load_fail_no_request_and_mix_no_models(
    settings: Settings, trained: Trained, trained_baseline: Trained
) -> None:
    bundles = {"1": trained_baseline.bundle, "2": trained.bundle}
    row = columns_of(binary.terms.fields, [PARCEL])
    scores = {
        number: float(
            open_bundle(folder, binary.terms.fields, binary.baseline).runtime.score(row)[0]
        )
        for number, folder in bundles.items()
    }
    body, stop, flips = json.dumps({"rows": [PARCEL]}), threading.Event(), 30
    point(settings.models, bundles["1"], 1)

    def hammer(port: int) -> list[tuple[int, str, float]]:
        connection, seen = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
        while not stop.is_set():
            connection.request("POST", "/v1/predict", body)
            response = connection.getresponse()
            received = json.loads(response.read())
            seen.append(
                (response.status, received["model_version"], received["predictions"][0]["score"])
            )
        return seen

    def answering(port: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v1/model")
        return str(json.loads(connection.getresponse().read())["model_version"])

    with listening(settings) as port, ThreadPoolExecutor(4) as threads:
        work = [threads.submit(hammer, port) for _ in range(4)]
        try:
            for flip in range(flips):
                wanted = 2 - flip % 2
                point(settings.models, bundles[str(wanted)], wanted)
                while answering(port) != str(wanted):
                    pass
        finally:
            stop.set()
        seen = [answer for item in work for answer in item.result()]
    assert {status for status, *_ in seen} == {200}
    assert {(number, score) for _, number, score in seen} == set(scores.items())


def test_a_broken_bundle_leaves_the_last_valid_one_in_service_and_is_counted(
    settings: Settings, trained_baseline: Trained, model: Path
) -> None:
    here = point(settings.models, trained_baseline.bundle, 1)
    with serve(binary, settings) as client:
        point(settings.models, damaged(model), 2, here)
        eventually(lambda: client.get("/v1/model").json()["refused"])
        assert failures(client, "digest") == 1
        assert version(client) == "1"
        received = client.get("/v1/model").json()["refused"]
        assert (received["version"], received["reason"]) == ("2", "digest")
        assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200


def test_after_a_broken_bundle_the_next_valid_one_is_loaded(
    settings: Settings, trained: Trained, trained_baseline: Trained, model: Path
) -> None:
    point(settings.models, damaged(model), 1)
    with serve(binary, settings) as client:
        assert "version 1 was refused" in client.operations.get("/readyz").json()["detail"]
        point(settings.models, trained_baseline.bundle, 2)
        eventually(lambda: version(client) == "2")
        assert client.get("/v1/model").json()["refused"] is None


def test_a_service_that_starts_with_a_broken_champion_loads_its_predecessor(
    settings: Settings, trained_baseline: Trained, model: Path
) -> None:
    here = point(settings.models, trained_baseline.bundle, 1)
    point(settings.models, damaged(model), 2, here)
    with serve(binary, settings) as client:
        assert version(client) == "1"
        assert client.get("/v1/model").json()["refused"]["version"] == "2"
        assert failures(client, "digest") == 1


def test_a_start_goes_back_until_a_bundle_verifies(
    settings: Settings, trained: Trained, trained_baseline: Trained, model: Path
) -> None:
    good = point(settings.models, trained_baseline.bundle, 1)
    bad = point(settings.models, damaged(model), 2, good)
    point(settings.models, trained.bundle, 3, bad, good)
    (settings.models / "versions" / trained.bundle.name / "card.md").unlink()
    with serve(binary, settings) as client:
        assert version(client) == "1"
        assert client.get("/v1/model").json()["refused"]["version"] == "3"


def test_a_repaired_bundle_is_loaded(
    settings: Settings, trained: Trained, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.01)
    point(settings.models, damaged(model), 1)
    with serve(binary, settings) as client:
        assert client.operations.get("/readyz").status_code == 503
        shutil.copy(
            trained.bundle / "model.onnx", settings.models / "versions" / trained.bundle.name
        )
        eventually(lambda: version(client) == "1")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"digest": "../elsewhere", "version": 9}']
)
def test_an_invalid_pointer_changes_nothing(
    settings: Settings, trained: Trained, content: str
) -> None:
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        (settings.models / "champion.json").write_text(content)
        client.assembly.models.reload_if_changed()
        assert version(client) == "1"


def test_a_bundle_of_another_contract_is_counted_with_that_reason(
    settings: Settings, trained: Trained
) -> None:
    fields = Fields(tuple(field for field in binary.terms.fields if field.name != "stops"))
    point(settings.models, trained.bundle, 1)
    with serve(replace(binary, terms=replace(binary.terms, fields=fields)), settings) as client:
        assert failures(client, "contract") == 1
        assert "'stops', which is gone" in client.operations.get("/readyz").json()["detail"]


def test_a_model_that_never_ends_changes_nothing_and_a_rollback_still_arrives(
    settings: Settings,
    trained: Trained,
    trained_baseline: Trained,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    here = point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        there = point(settings.models, sealed(model, endless()), 2, here)
        eventually(lambda: client.get("/v1/model").json()["refused"])
        assert (version(client), failures(client, "probe")) == ("1", 1)
        assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200
        point(settings.models, trained_baseline.bundle, 3, there, here)
        eventually(lambda: version(client) == "3")


def test_a_service_that_starts_with_a_model_that_never_ends_loads_its_predecessor(
    settings: Settings, trained_baseline: Trained, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    here = point(settings.models, trained_baseline.bundle, 1)
    point(settings.models, sealed(model, endless()), 2, here)
    with serve(binary, settings) as client:
        assert version(client) == "1"
        assert client.get("/v1/model").json()["refused"]["reason"] == "probe"


def test_a_model_larger_than_the_setting_leaves_the_last_valid_one_in_service(
    settings: Settings, trained: Trained, trained_baseline: Trained
) -> None:
    here = point(settings.models, trained_baseline.bundle, 1)
    with serve(binary, settings.model_copy(update={"model_megabytes": 1})) as client:
        point(settings.models, trained.bundle, 2, here)
        eventually(lambda: client.get("/v1/model").json()["refused"])
        received = client.get("/v1/model").json()["refused"]
        assert (received["reason"], "limit is 1 MB" in received["detail"]) == ("size", True)
        assert (version(client), failures(client, "size")) == ("1", 1)
