"""From rows to an answer over HTTP, for each kind of model."""

from typing import Any

import pytest
from conftest import Trained, release, serve, silent, waive
from seams import PARCEL, binary, regression, text
from starlette.testclient import TestClient

from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import Registry
from mlprod.training.sync import sync


def predictions(client: TestClient, *rows: dict[str, Any]) -> list[Any]:
    response = client.post("/v1/predict", json={"rows": rows})
    assert response.status_code == 200, response.text
    result: list[Any] = response.json()["predictions"]
    return result


def test_a_classifier_is_trained_served_and_rolled_back(
    settings: Settings, registry: Registry, trained_baseline: Trained
) -> None:
    release(registry, trained_baseline.bundle)
    train_with_governance(binary, settings, silent)
    promote(registry, "you", "it passed the gates")
    sync(registry, settings.models)
    with serve(binary, settings) as client:
        assert [
            item["decision"] for item in predictions(client, PARCEL, PARCEL | {"stops": 0})
        ] == ["call", "leave"]
    rollback(registry, "you", "to see that it works")
    sync(registry, settings.models)
    with serve(binary, settings) as client:
        assert client.get("/v1/model").json()["kind"] == "baseline"
        assert predictions(client, PARCEL)[0]["score"] == pytest.approx(3.5 / 30)


def test_a_regression_is_trained_and_served(settings: Settings, registry: Registry) -> None:
    whole = train_with_governance(regression, settings, silent).evaluation.overall()
    assert set(whole) == {"value", "mae", "rmse", "r2"}
    assert whole["r2"].value > 0.9
    promote(registry, "you", "it passed the gates")
    sync(registry, settings.models)
    with serve(regression, settings) as client:
        small, large = predictions(client, {"size": 40.0, "floor": 2}, {"size": 200.0})
    assert 200 < small["score"] < 1_200 < large["score"]
    assert small["decision"] == round(small["score"])


def test_a_text_model_is_served_with_a_waiver_and_allowed_pickles(
    settings: Settings, registry: Registry
) -> None:
    waive(settings)
    train_with_governance(text, settings, silent)
    promote(registry, "you", "it passed the gates")
    sync(registry, settings.models)
    with serve(text, settings) as client:
        assert "ML_ALLOW_PICKLE=true" in client.operations.get("/readyz").json()["detail"]
    with serve(text, settings.model_copy(update={"allow_pickle": True})) as client:
        angry, calm = predictions(
            client, {"body": "my parcel is broken"}, {"body": "thanks all fine"}
        )
    assert (angry["decision"], calm["decision"]) == ("call", "leave")
    assert angry["score"] > calm["score"]
