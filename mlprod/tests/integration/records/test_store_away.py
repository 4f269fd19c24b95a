"""A database that does not answer is away within seconds, and what helps is said."""

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
from mlprod.records.shipping import Shipped
from mlprod.records.store import Store

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
__all__ = ["store", "stores"]


SECRET = "hunter2"  # noqa: S105 - no secret: messages are searched for it


def hurry(patch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in (database, postgres):
        patch.setattr(module, "WAIT", seconds)


def everything(store: Store) -> list[Callable[[], object]]:
    return [
        lambda: store.ship([event(prediction("a"))]),
        lambda: store.add_outcomes([outcome("a")]),
        lambda: store.add_feedback([opinion("1", "a")]),
        lambda: store.set_mode("shadow", "you", "a test"),
        store.mode,
    ]


def test_without_tables_what_to_do_is_said(bare_url: str) -> None:
    store = Store(bare_url)
    for work in everything(store):
        with pytest.raises(StoreUnavailableError, match=r"run the verb migrate$"):
            work()
    store.engine.dispose()


def test_a_database_that_others_hold_is_away_until_they_let_go(
    records_url: str, stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.1 if records_url.startswith("sqlite") else 1)
    store, other = stores(), stores()
    message = event(prediction("a", row={"z": "malformed JSON, has no column, does not exist"}))
    with other.engine.begin() as connection:
        if other.engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreUnavailableError) as away:
            store.ship([message])
        assert "migrate" not in str(away.value)
    assert store.ship([message]) == Shipped(1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_server_that_is_not_there_is_away_and_no_password_is_told() -> None:
    store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port()}/records")
    for work in everything(store):
        with pytest.raises(StoreUnavailableError, match="refused") as away:
            work()
        assert SECRET not in str(away.value)


def test_a_server_that_says_nothing_is_away_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/records")
        with pytest.raises(StoreUnavailableError) as away:
            store.mode()
    assert SECRET not in str(away.value)


def test_a_server_that_froze_is_away_within_seconds_and_answers_when_it_thaws(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(postgres.url(), wait=0)  # patience is 2 seconds more
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


def test_a_database_or_a_user_that_the_server_does_not_know_is_away_but_no_matter_of_tables(
    postgres: "Server",
) -> None:
    for url in (postgres.url("nothing"), postgres.url().replace("tests@", f"nobody:{SECRET}@")):
        with pytest.raises(StoreUnavailableError, match="does not exist") as away:
            Store(url).mode()
        assert "migrate" not in str(away.value)
        assert SECRET not in str(away.value)


@pytest.mark.parametrize("path", ["folder", "file/records.db", "text.db"])
def test_a_file_that_is_no_database_is_away(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailableError):
        Store(f"sqlite:///{tmp_path / path}").mode()


def test_the_folder_of_a_file_is_made(tmp_path: Path, empty_records: Path) -> None:
    path = tmp_path / "not" / "yet" / "records.db"
    store = Store(f"sqlite:///{path}")
    shutil.copy(empty_records, path)
    assert store.mode() is None


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgres+psycopg", "postgresql+psycopg"]
)
def test_every_name_of_postgresql_that_the_settings_take_is_understood(scheme: str) -> None:
    with pytest.raises(StoreUnavailableError, match="refused"):
        Store(f"{scheme}://me@127.0.0.1:{closed_port()}/records").mode()
