"""A database that does not respond is unavailable within seconds, with a remedy."""

import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from stored import event, opinion, outcome, prediction, store, stores

from mlprod.records import database, postgres
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.shipping import InsertResult
from mlprod.records.store import Store

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


SECRET = "hunter2"  # noqa: S105 - not a secret: the tests search messages for it


def hurry(patch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in (database, postgres):
        patch.setattr(module, "WAIT", seconds)


def everything(store: Store) -> list[Callable[[], object]]:
    return [
        lambda: store.insert_events([event(prediction("a"))]),
        lambda: store.add_outcomes([outcome("a")]),
        lambda: store.add_feedback([opinion("1", "a")]),
        lambda: store.set_mode("shadow", "you", "a test"),
        store.mode,
    ]


def test_missing_tables_are_reported_with_the_remedy(bare_url: str) -> None:
    store = Store(bare_url)
    for work in everything(store):
        with pytest.raises(StoreUnavailableError, match=r"run the verb migrate$"):
            work()
    store.engine.dispose()


def test_locked_database_is_unavailable_until_released(
    records_url: str, stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.1 if records_url.startswith("sqlite") else 1)
    store, other = stores(), stores()
    message = event(prediction("a", row={"z": "malformed JSON, has no column, does not exist"}))
    with other.engine.begin() as connection:
        if other.engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreUnavailableError) as away:
            store.insert_events([message])
        assert "migrate" not in str(away.value)
    assert store.insert_events([message]) == InsertResult(1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_absent_server_is_unavailable_and_no_password_is_shown() -> None:
    store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port()}/records")
    for work in everything(store):
        with pytest.raises(StoreUnavailableError, match="refused") as away:
            work()
        assert SECRET not in str(away.value)


def test_silent_server_is_unavailable_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/records")
        with pytest.raises(StoreUnavailableError) as away:
            store.mode()
    assert SECRET not in str(away.value)


def test_frozen_server_is_unavailable_within_seconds_and_recovers(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    # The timeout of the connection is 2 seconds longer.
    store = Store(postgres.url(), wait=0)
    with store.engine.connect() as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailableError):
            store.mode()
    finally:
        os.kill(process, signal.SIGCONT)
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_unknown_database_or_user_is_unavailable_without_a_hint_at_tables(
    postgres: "Server",
) -> None:
    for url in (postgres.url("nothing"), postgres.url().replace("tests@", f"nobody:{SECRET}@")):
        with pytest.raises(StoreUnavailableError, match="does not exist") as away:
            Store(url).mode()
        assert "migrate" not in str(away.value)
        assert SECRET not in str(away.value)


@pytest.mark.parametrize("path", ["folder", "file/records.db", "text.db"])
def test_file_that_is_not_a_database_is_unavailable(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "text.db").write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(StoreUnavailableError):
        Store(f"sqlite:///{tmp_path / path}").mode()


def test_folder_of_a_file_is_created(tmp_path: Path, empty_records: Path) -> None:
    path = tmp_path / "not" / "yet" / "records.db"
    store = Store(f"sqlite:///{path}")
    shutil.copy(empty_records, path)
    assert store.mode() is None


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgres+psycopg", "postgresql+psycopg"]
)
def test_every_postgresql_scheme_of_the_settings_works(scheme: str) -> None:
    with pytest.raises(StoreUnavailableError, match="refused"):
        Store(f"{scheme}://me@127.0.0.1:{closed_port()}/records").mode()
