"""POST /v1/mode with and without the database, as a caller sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point, serve
from seams import PARCEL, binary

from mlprod.ops.migrate import migrate
from mlprod.records.event_log import EventLog
from mlprod.records.store import Store
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mode-file"


@pytest.fixture
def here(settings: Settings, trained: Trained, tmp_path: Path, file: Path) -> Settings:
    """A replica with automate in its folder, and with a database without tables."""
    point(settings.models, trained.bundle, 1)
    (settings.spooled / "mode").write_text("automate")
    own = {
        "state_dir": tmp_path / "state",
        "database_url": f"sqlite:///{tmp_path}/later.db",
        "mode_file": file,
    }
    return settings.model_copy(update=own)


@pytest.fixture
def alone(here: Settings) -> Iterator[Client]:
    with serve(binary, here) as client:
        yield client


def switch(client: Client, mode: str, status: int = 200) -> dict[str, Any]:
    answer = client.post("/v1/mode", json={"mode": mode, "reason": "it declines everybody"})
    assert answer.status_code == status, answer.text
    content: dict[str, Any] = answer.json()
    return content


def shown(client: Client) -> tuple[str, str, bool]:
    model = client.get("/v1/model").json()
    return model["mode"], model["mode_source"], model["mode_unsaved"]


def decision(client: Client) -> Any:
    return client.post("/v1/predict", json={"rows": [PARCEL]}).json()["predictions"][0]["decision"]


def test_the_kill_switch_works_without_the_database_and_reports_its_reach(
    alone: Client, here: Settings
) -> None:
    assert shown(alone) == ("automate", "memory", False)
    assert decision(alone) == "call"
    message = switch(alone, "shadow")
    assert (message["mode"], message["by"], message["reason"], message["stored"]) == (
        "shadow",
        "local",
        "it declines everybody",
        False,
    )
    for part in (
        "this replica has the mode",
        "The database does not have it yet (no such table",
        "other replicas do not know it",
    ):
        assert part in message["detail"]
    assert decision(alone) is None
    assert shown(alone) == ("shadow", "replica", True)
    ready = alone.operations.get("/readyz").json()
    assert (ready["mode"], ready["mode_source"], ready["mode_unsaved"]) == (
        "shadow",
        "replica",
        True,
    )
    assert "ml_mode_unsaved 1.0" in alone.operations.get("/metrics").text
    migrate(here.database_url)
    eventually(lambda: shown(alone) == ("shadow", "database", False))
    assert "ml_mode_unsaved 0.0" in alone.operations.get("/metrics").text
    stored = Store(here.database_url).mode()
    assert stored
    assert (stored.mode, stored.who, stored.why) == ("shadow", "local", "it declines everybody")
    assert message["since"] == f"{stored.at}Z".replace(" ", "T")


def test_with_the_database_the_answer_reports_that_it_is_stored(client: Client) -> None:
    message = switch(client, "shadow")
    assert message["stored"] is True
    assert "stored in the database" in message["detail"]
    assert shown(client) == ("shadow", "database", False)


def test_without_the_database_steps_down_work_and_steps_up_are_refused(alone: Client) -> None:
    assert switch(alone, "assist")["mode"] == "assist"
    assert "does not answer" in switch(alone, "automate", 503)["detail"]
    assert switch(alone, "shadow")["mode"] == "shadow"
    assert "a step up" in switch(alone, "assist", 503)["detail"]
    assert shown(alone) == ("shadow", "replica", True)


def test_the_kill_switch_survives_a_restart(here: Settings) -> None:
    with serve(binary, here) as client:
        switch(client, "shadow")
    with serve(binary, here) as client:
        assert shown(client) == ("shadow", "replica", True)
        assert decision(client) is None


def test_after_the_database_is_back_a_person_steps_up_again(alone: Client, here: Settings) -> None:
    switch(alone, "shadow")
    migrate(here.database_url)
    assert switch(alone, "assist")["stored"] is True
    assert shown(alone) == ("assist", "database", False)


def test_the_kill_switch_works_while_the_event_log_is_full(
    alone: Client, monkeypatch: pytest.MonkeyPatch, here: Settings
) -> None:
    monkeypatch.setattr(alone.assembly.spool, "limit", 1)
    assert alone.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 503
    assert switch(alone, "shadow")["mode"] == "shadow"
    monkeypatch.undo()
    assert decision(alone) is None


def test_the_kill_switch_does_not_wait_for_the_shipping_thread(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging: list[int] = []

    def hang(spool: EventLog) -> list[bytes]:
        hanging.append(1)
        eventually(lambda: not hanging, 60)
        return []

    monkeypatch.setattr(EventLog, "read", hang)
    eventually(lambda: hanging)
    try:
        assert switch(client, "shadow")["stored"] is True
        Store(settings.records_url).set_mode("assist", "you", "a test")
        eventually(lambda: shown(client)[0] == "assist")
        assert hanging
    finally:
        monkeypatch.undo()
        hanging.clear()


def test_a_step_up_beyond_the_mode_file_is_refused_and_names_the_file(
    alone: Client, here: Settings, file: Path
) -> None:
    migrate(here.database_url)
    file.write_text("shadow complaints since noon")
    eventually(lambda: shown(alone) == ("shadow", "file", False))
    message = switch(alone, "assist", 403)["detail"]
    assert str(file) in message
    assert "complaints since noon" in message
    file.unlink()
    eventually(lambda: shown(alone)[0] == "assist")
    assert switch(alone, "automate")["mode"] == "automate"


def test_the_mode_file_works_without_a_valid_key(
    settings: Settings, trained: Trained, tmp_path: Path, file: Path
) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys, "desk", ["predict"], None)
    point(settings.models, trained.bundle, 1)
    with serve(
        binary, settings.model_copy(update={"keys_file": keys, "mode_file": file})
    ) as client:
        assert client.operations.get("/readyz").json()["mode"] == "assist"
        keys.write_text("{")
        assert (
            client.post("/v1/mode", json={"mode": "shadow", "reason": "no key"}).status_code == 401
        )
        file.write_text("shadow")
        eventually(lambda: client.operations.get("/readyz").json()["mode"] == "shadow")
        assert key
