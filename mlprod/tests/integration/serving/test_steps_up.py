"""Outside the local environment the API steps down only; a step up is a command with evidence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Client, Trained, assemble, eventually, point
from seams import binary

from mlprod.records.store import Store
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings


@pytest.fixture
def production(trained: Trained, settings: Settings, tmp_path: Path) -> Iterator[Client]:
    """A service in production that was never switched, with a caller of the role operate."""
    key = add_key(tmp_path / "keys.json", "desk", ["operate"], None)
    point(settings.models, trained.bundle, 1)
    there = settings.model_copy(
        update={
            "environment": "production",
            "keys_file": tmp_path / "keys.json",
            "mode": "automate",
        }
    )
    assembly = assemble(binary, there)
    with Client(assembly, {"authorization": f"Bearer {key}"}) as client:
        eventually(lambda: assembly.keeper.checked and assembly.mode_state.checked)
        yield client


def switched(client: Client, mode: str) -> int:
    return int(client.post("/v1/mode", json={"mode": mode, "reason": "for the test"}).status_code)


def test_the_first_mode_is_shadow_with_any_setting(production: Client) -> None:
    assert production.get("/v1/model").json()["mode"] == "shadow"


def test_the_api_accepts_steps_down_and_refuses_steps_up(
    production: Client, settings: Settings
) -> None:
    assert [switched(production, mode) for mode in ("assist", "automate", "shadow")] == [
        403,
        403,
        200,
    ]
    store = Store(settings.records_url)
    store.set_mode("automate", "you", "the command was asked")
    eventually(lambda: production.get("/v1/model").json()["mode"] == "automate")
    assert [switched(production, mode) for mode in ("assist", "automate", "assist")] == [
        200,
        403,
        200,
    ]


def test_a_kill_switch_unknown_to_this_replica_is_not_undone(
    production: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    store.set_mode("assist", "you", "the command was asked")
    eventually(lambda: production.get("/v1/model").json()["mode"] == "assist")
    store.set_mode("shadow", "you", "a stop, this moment")
    assert switched(production, "assist") == 403
    assert (
        "mode assist --reason"
        in production.post("/v1/mode", json={"mode": "assist", "reason": "again"}).json()["detail"]
    )
