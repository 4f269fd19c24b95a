"""Connections to no server, to a read-only server, or through a pooler; and their messages."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text

from mlprod.ops.migrate import migrate
from mlprod.records.errors import StoreInterruptedError, StoreUnavailableError
from mlprod.records.postgres import parse_url
from mlprod.records.store import Store
from mlprod.records.time_limits import LONG_WAIT

if TYPE_CHECKING:
    from postgres import Pooler, Server

pytest_plugins = ["postgres"]
SECRET = "hunter2"  # noqa: S105 - not a secret: the tests search messages for it


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def store_of() -> Iterator[Callable[..., Store]]:
    made: list[Store] = []

    def make(*arguments: Any) -> Store:
        made.append(Store(*arguments))
        return made[-1]

    yield make
    for item in made:
        item.engine.dispose()


def process_of(store: Store) -> int:
    """Return the server's process behind the next connection."""
    with store.connected() as connection:
        result: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return result


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://me:word@h1,h2/db", "h1,h2", ","),
        ("postgresql://me@h1:5433,h2/db?sslmode=require", "h1,h2", "5433,"),
        ("postgres+psycopg://h1,h2:6432", "h1,h2", ",6432"),
        ("postgresql://me:a%40b@[::1]:5433,[::2]/db", "::1,::2", "5433,"),
    ],
)
def test_several_hosts_are_parsed_like_in_libpq(url: str, hosts: str, ports: str) -> None:
    result = parse_url(url)
    assert (result.query["host"], result.query["port"], result.host, result.port) == (
        hosts,
        ports,
        None,
        None,
    )
    assert result.drivername == "postgresql+psycopg"
    assert result.password in (None, "word", "a@b")


@pytest.mark.parametrize(
    "url", ["postgresql://me:word@host:5433/db", "postgresql://me:a,b@host:5433/db"]
)
def test_single_host_stays_unchanged(url: str) -> None:
    result = parse_url(url)
    assert (result.host, result.port, dict(result.query)) == ("host", 5433, {})


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@host:port/db",
        f"postgresql://me:{SECRET}@h1:x,h2:y/db",
        "postgresql:///?host=a&host=b&port=c",
    ],
)
def test_invalid_url_is_reported_with_examples_and_no_password(url: str) -> None:
    with pytest.raises(
        StoreUnavailableError,
        match=r"ML_DATABASE_URL .* what works: postgresql://user@host:5432/database",
    ) as away:
        Store(url).mode()
    assert SECRET not in str(away.value)


def test_first_writable_host_is_used(postgres: "Server", store_of: Callable[..., Store]) -> None:
    url = postgres.new()
    migrate(url)
    database = url.rpartition("/")[2]
    store = store_of(
        f"postgresql://tests@127.0.0.1:{closed_port()},127.0.0.1:{postgres.port}/{database}"
    )
    assert store.set_mode("shadow", "you", "a test") == store.mode()


def test_read_only_server_is_left_for_the_writable_one(
    postgres: "Server", store_of: Callable[..., Store]
) -> None:
    """As after a failover whose old primary still runs.

    Pooled connections lead to the old primary, new ones to the new one.
    """
    url = postgres.new()
    migrate(url)
    store = store_of(url)
    old = process_of(store)
    with store.connected() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    assert store.mode() is None, "the mode of the old server may be old too"
    assert store.set_mode("shadow", "you", "a test") == store.mode()
    assert process_of(store) != old


def test_read_only_server_is_unavailable_unless_the_url_allows_it(
    postgres: "Server", store_of: Callable[..., Store]
) -> None:
    url = postgres.new()
    migrate(url)
    store_of(url).set_mode("shadow", "you", "a test")
    postgres.execute(
        f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on"
    )
    with pytest.raises(StoreUnavailableError, match=r"read-only.*host1,host2"):
        store_of(url).mode()
    reader = store_of(f"{url}?target_session_attrs=any")
    known = reader.mode()
    assert known
    assert known.mode == "shadow"
    with pytest.raises(StoreUnavailableError, match="read-only"):
        reader.set_mode("assist", "you", "a test")


def test_lost_connection_interrupts_only_its_transaction(
    postgres: "Server", store_of: Callable[..., Store]
) -> None:
    url = postgres.new()
    migrate(url)
    store = store_of(url)

    def cut() -> None:
        with store.connected() as connection:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgres.execute(f"SELECT pg_terminate_backend({process})")
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreInterruptedError):
        cut()
    assert store.mode() is None


def test_frozen_server_is_reported(postgres: "Server", store_of: Callable[..., Store]) -> None:
    # The timeout of the connection is 2 seconds longer.
    store = store_of(postgres.url(), 0)

    def freeze() -> None:
        with store.connected() as connection:
            process: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            os.kill(process, signal.SIGSTOP)
            try:
                connection.execute(text("SELECT 1"))
            finally:
                os.kill(process, signal.SIGCONT)

    with pytest.raises(StoreInterruptedError, match="did not respond for 2 s"):
        freeze()


def test_lock_of_others_interrupts(postgres: "Server", store_of: Callable[..., Store]) -> None:
    url = postgres.new()
    migrate(url)
    store, other = store_of(url, 1), store_of(url)
    with other.connected() as connection:
        connection.execute(text("LOCK TABLE modes IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreInterruptedError, match="timeout"):
            store.mode()
    assert store.mode() is None


@pytest.mark.parametrize("wait", [1, LONG_WAIT])
def test_time_limits_apply_to_each_own_transaction_only(
    postgres: "Server", pooler: "Pooler", store_of: Callable[..., Store], wait: int
) -> None:
    url = pooler.url(postgres.new())
    store = store_of(url, wait)
    for _ in range(3):
        with store.connected() as connection:
            names = (
                "current_setting('statement_timeout'), current_setting('lock_timeout'), "
                "current_setting('timezone')"
            )
            limits = connection.execute(text(f"SELECT {names}")).one()
        assert tuple(limits) == ({1: "1s", LONG_WAIT: "1h"}[wait],) * 2 + ("UTC",)
        with psycopg.connect(url) as other:
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_pooler_may_give_each_transaction_another_connection(
    postgres: "Server", pooler: "Pooler", store_of: Callable[..., Store]
) -> None:
    url = postgres.new()
    migrate(pooler.url(url))
    one, two = (store_of(pooler.url(url)) for _ in range(2))
    # psycopg prepares a statement after five uses
    for _ in range(12):
        for item, other in ((one, two), (two, one)):
            # Both need a connection at once, so that connections change hands.
            with item.connected(), other.connected():
                pass
            assert item.mode() is None
    with one.connected() as connection:
        assert (
            connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
            == 0
        )


def test_restarted_pooler_is_used_again(
    postgres: "Server", pooler: "Pooler", store_of: Callable[..., Store]
) -> None:
    url = postgres.new()
    migrate(url)
    store = store_of(pooler.url(url))
    store.set_mode("assist", "you", "a test")
    pooler.stop()
    try:
        with pytest.raises(StoreUnavailableError):
            store.mode()
    finally:
        pooler.start()
    assert store.set_mode("shadow", "you", "a test") == store.mode()


def limited(postgres: "Server") -> str:
    postgres.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 0")
    return postgres.url().replace("tests@", "few@")


def powerless(postgres: "Server") -> str:
    url = postgres.new()
    migrate(url)
    postgres.execute("CREATE ROLE nobody_special LOGIN")
    return url.replace("tests@", "nobody_special@")


def refused(_: "Server") -> str:
    return f"postgresql://me:{SECRET}@127.0.0.1:{closed_port()}/records"


def nowhere(_: "Server") -> str:
    return f"postgresql://me:{SECRET}@nowhere.invalid/records"


@pytest.mark.parametrize(
    ("url", "works"),
    [
        (limited, "max_connections"),
        (powerless, "grant its user SELECT"),
        (refused, "does it run, and does ML_DATABASE_URL name"),
        (nowhere, "is the host in ML_DATABASE_URL correct"),
    ],
)
def test_reason_of_an_unavailable_server_comes_with_a_remedy(
    postgres: "Server", store_of: Callable[..., Store], url: Callable[["Server"], str], works: str
) -> None:
    where = url(postgres)
    with pytest.raises(StoreUnavailableError, match=works) as away:
        store_of(where).mode()
    assert SECRET not in str(away.value)
    assert not isinstance(away.value, StoreInterruptedError)


def test_full_pooler_is_reported(
    postgres: "Server", pooler: "Pooler", store_of: Callable[..., Store]
) -> None:
    pooler.execute("SET max_client_conn = 1")
    try:
        with (
            psycopg.connect(pooler.url(postgres.url("pgbouncer")), autocommit=True),
            pytest.raises(StoreUnavailableError, match="max_client_conn"),
        ):
            store_of(pooler.url(postgres.url())).mode()
    finally:
        pooler.execute("SET max_client_conn = 100")


def test_read_only_file_refuses_writes_and_is_still_read(
    tmp_path: Path, empty_records: Path, store_of: Callable[..., Store]
) -> None:
    store = store_of(f"sqlite:///file:{empty_records}?mode=ro&uri=true")
    assert store.mode() is None
    with pytest.raises(StoreUnavailableError, match="must be writable"):
        store.set_mode("shadow", "you", "a test")
    (tmp_path / "a file").touch()
    with pytest.raises(StoreUnavailableError, match="its folder must exist"):
        store_of(f"sqlite:///{tmp_path / 'a file' / 'records.db'}").mode()


def test_reader_does_not_wait_for_a_writer(
    records_url: str, store_of: Callable[..., Store]
) -> None:
    reader, writer = store_of(records_url, 1), store_of(records_url)
    done = writer.set_mode("assist", "you", "a test")
    with writer.connected() as connection:
        connection.execute(text("UPDATE modes SET why = 'not yet'"))
        assert reader.mode() == done
        with reader.reading(), reader.reading():
            pass
