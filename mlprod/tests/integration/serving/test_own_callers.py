"""authenticate() of a project adds callers; keys, roles and the kill switch work as without it."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point
from seams import PARCEL, binary
from sqlalchemy import select

from mlprod.extensions import Caller
from mlprod.project.extension_loader import Extensions
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.serving import api_keys
from mlprod.serving.api_keys import add_key
from mlprod.serving.container import Container
from mlprod.settings import Settings

BODY = {"rows": [PARCEL]}
STOP = {"mode": "shadow", "reason": "complaints"}
Serve = Callable[[Any], contextlib.AbstractContextManager[Client]]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Return the headers of a caller with each role."""
    path = tmp_path / "keys.json"
    return {
        role: {"authorization": f"Bearer {add_key(path, f'key-{role}', [role])}"}
        for role in ("predict", "operate")
    }


@pytest.fixture
def serve(
    trained: Trained, settings: Settings, keys: dict[str, dict[str, str]], tmp_path: Path
) -> Serve:
    """A service that needs keys; its authenticate() returns this value or is this function."""
    point(settings.models, trained.bundle, 1)
    keyed = settings.model_copy(update={"keys_file": tmp_path / "keys.json"})

    @contextlib.contextmanager
    def run(returns: Any) -> Iterator[Client]:
        hook = returns if callable(returns) else lambda request: returns
        seam = binary.terms, binary.baseline, binary.decide, binary.payoff
        assembly = Container(*seam, keyed, extensions=Extensions(authenticate=hook))
        with Client(assembly) as client:
            eventually(lambda: assembly.keeper.checked and assembly.mode_state.checked)
            yield client

    return run


def test_a_known_caller_is_answered_within_its_roles_and_recorded(
    serve: Serve, settings: Settings
) -> None:
    with serve(Caller("webshop", {"predict"})) as client:
        answer = client.post("/v1/predict", json=BODY)
        assert answer.status_code == 200
        assert client.get("/v1/model").json()["caller"] == "webshop"
        refused = client.post("/v1/outcomes", json={"outcomes": []})
        assert refused.status_code == 403
        id = answer.json()["predictions"][0]["id"]
        store = Store(settings.records_url)
        eventually(lambda: store.find_predictions([id]))
        with store.connected() as connection:
            query = select(predictions.c.caller).where(predictions.c.id == id)
            assert connection.execute(query).scalar_one() == "webshop"


def test_an_unknown_caller_is_refused(serve: Serve) -> None:
    with serve(None) as client:
        assert client.post("/v1/predict", json=BODY).status_code == 401


def test_authenticate_is_not_called_for_a_caller_with_a_key(
    serve: Serve, keys: dict[str, dict[str, str]]
) -> None:
    requested: list[Any] = []
    with serve(requested.append) as client:
        assert client.post("/v1/predict", json=BODY, headers=keys["predict"]).status_code == 200
        assert requested == []
        assert (
            client.post(
                "/v1/predict", json=BODY, headers={"authorization": "Bearer of another kind"}
            ).status_code
            == 401
        )
        assert requested[0].headers["authorization"] == "Bearer of another kind"


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (Caller("webshop", {"predict", "operate"}), r"granted operate; works: Caller("),
        (Caller("webshop", {"smoke"}), "granted smoke"),
        # a text in place of the set of roles
        (Caller("webshop", "predict"), "granted "),  # type: ignore[arg-type]
        (Caller("key-predict", {"predict"}), "returned the name 'key-predict', which a key has"),
        (Caller("local", {"predict"}), "returned the name 'local', which a key has"),
        (Caller("Grace Hopper", {"predict"}), "returned the name 'Grace Hopper'"),
        (True, "returned a bool"),
    ],
)
def test_an_identity_with_a_role_or_name_of_keys_is_refused_and_logged(
    returns: object, message: str, serve: Serve, output: Callable[[], str]
) -> None:
    with serve(returns) as client:
        assert client.post("/v1/predict", json=BODY).status_code == 500
    assert message in output().replace('\\"', '"')


def test_if_authenticate_fails_callers_are_refused_and_keys_work(
    serve: Serve, keys: dict[str, dict[str, str]]
) -> None:
    def away(request: object) -> None:
        raise OSError("the identity provider is away")

    with serve(away) as client:
        failed = client.post("/v1/predict", json=BODY)
        assert failed.status_code == 500
        assert "identity provider" not in failed.text
        assert client.post("/v1/predict", json=BODY, headers=keys["predict"]).status_code == 200


def test_the_kill_switch_needs_a_key_and_works_while_authenticate_hangs(
    serve: Serve, keys: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlprod.serving.load_shedding.ANSWER_SECONDS", 0.2)

    def hang(request: object) -> None:
        time.sleep(1)

    with serve(hang) as client:
        assert client.post("/v1/predict", json=BODY).status_code == 503
        began = time.monotonic()
        assert client.post("/v1/mode", json=STOP).status_code == 401, "authenticate() is not called"
        assert time.monotonic() - began < 0.2
        assert client.post("/v1/mode", json=STOP, headers=keys["operate"]).status_code == 200
        assert (
            client.post("/v1/predict", json=BODY, headers=keys["predict"]).json()["mode"]
            == "shadow"
        )


def test_while_no_key_is_valid_authenticate_is_not_called(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "HOLD_SECONDS", 0.0)
    with serve(Caller("webshop", {"predict"})) as client:
        (tmp_path / "keys.json").write_text("{")
        eventually(lambda: client.assembly.keys.ended)
        answer = client.post("/v1/predict", json=BODY)
        assert (answer.status_code, "cannot read its keys" in json.dumps(answer.json())) == (
            503,
            True,
        )


def test_without_keys_authenticate_is_not_called(trained: Trained, settings: Settings) -> None:
    point(settings.models, trained.bundle, 1)
    requested: list[object] = []

    def nobody(request: object) -> None:
        requested.append(request)

    seam = binary.terms, binary.baseline, binary.decide, binary.payoff
    with Client(Container(*seam, settings, extensions=Extensions(authenticate=nobody))) as client:
        assert client.post("/v1/predict", json=BODY).status_code == 200
    assert requested == []


def test_too_many_requests_are_shed_before_authenticate_is_called(serve: Serve) -> None:
    requested: list[Any] = []
    with serve(requested.append) as client:
        client.assembly.limits.requests = -1
        assert client.post("/v1/predict", json=BODY).status_code == 503
        assert requested == []
