import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from conftest import eventually
from replicas import later, url
from sqlalchemy import select, text

from mlprod.ops.migrate import config_of, migrate
from mlprod.records.database import engine_of
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.event_log import EventLog
from mlprod.records.shipping import InsertResult
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.serving import record_shipper as keepers
from mlprod.serving.metrics import Metrics
from mlprod.serving.record_shipper import RecordShipper

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
__all__ = ["later", "url"]  # fixtures

AWAY = "does not answer"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "MAX_PAUSE", 0.05)
    monkeypatch.setattr(keepers, "FOLLOWER_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def event(id: str, decision: str | None = "call") -> bytes:
    """Return an event; without a decision every database refuses it."""
    retained = {"id": id, "score": 0.5, "decision": decision, "unit": None, "row": {"stops": 4}}
    facts = {
        "at": "2026-01-31 12:00:00.123456",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    return json.dumps(facts | {"mode": "assist", "predictions": [retained]}).encode()


@contextmanager
def opened(url: str, folder: Path) -> Iterator[RecordShipper]:
    """A shipper that does not run yet."""
    keeper = RecordShipper(url, EventLog(folder, 1_000_000), Metrics(zero_seconds=0))
    try:
        yield keeper
    finally:
        keeper.spool.close()


@contextmanager
def run(keeper: RecordShipper) -> Iterator[None]:
    """Run a shipper within the block."""
    stop = threading.Event()
    thread = threading.Thread(target=keeper.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@contextmanager
def running(url: str, folder: Path) -> Iterator[RecordShipper]:
    """A running shipper that has tried its database."""
    with opened(url, folder) as keeper, run(keeper):
        eventually(lambda: keeper.checked)
        yield keeper


def stored_ids(url: str) -> list[Any]:
    """Return the stored ids, with any version of the tables."""
    engine = engine_of(url)
    with engine.connect() as connection:
        result = list(connection.execute(text("SELECT id FROM predictions")).scalars())
    engine.dispose()
    return result


def stored(url: str) -> list[str]:
    store = Store(url)
    with store.engine.connect() as connection:
        result = list(
            connection.execute(select(predictions.c.id).order_by(predictions.c.id)).scalars()
        )
    store.engine.dispose()
    return result


def sample(keeper: RecordShipper, name: str, **labels: str) -> float:
    return keeper.metrics.registry.get_sample_value(name, labels) or 0.0


def logged(caplog: pytest.LogCaptureFixture, part: str) -> int:
    return sum(part in record.getMessage() for record in caplog.records)


def fill(keeper: RecordShipper, ids: Sequence[str]) -> None:
    for id in ids:
        keeper.spool.append(event(id))


@pytest.mark.parametrize("before", [True, False])
def test_recorded_answers_reach_the_database(url: str, folder: Path, before: bool) -> None:
    with opened(url, folder) as keeper:
        fill(keeper, "abc" if before else "")
        with run(keeper):
            fill(keeper, "" if before else "abc")
            eventually(lambda: not keeper.spool.events)
            assert stored(url) == ["a", "b", "c"]
        assert sample(keeper, "ml_record_store_up") == 1
        assert sample(keeper, "ml_record_backlog_events") == 0


def test_answers_of_another_process_reach_the_database(url: str, folder: Path) -> None:
    with opened(url, folder) as keeper:
        fill(keeper, "abc")
    with running(url, folder) as keeper:
        eventually(lambda: not keeper.spool.events)
    assert stored(url) == ["a", "b", "c"]


def test_with_old_tables_answers_wait_for_the_migration(
    later: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command.upgrade(config_of(later), "0002")
    with running(later, folder) as keeper:
        fill(keeper, "ab")
        eventually(lambda: logged(caplog, "run the verb migrate"))
        assert (keeper.spool.events, stored_ids(later)) == (2, [])
        migrate(later)
        eventually(lambda: not keeper.spool.events)
    assert stored(later) == ["a", "b"]


def test_first_start_reports_no_missing_tables(
    tmp_path: Path,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keepers, "FOLLOWER_SECONDS", 60.0)
    embedded = f"sqlite:///{tmp_path / 'records.db'}"
    with running(embedded, folder) as keeper:
        fill(keeper, "ab")
        migrate(embedded)
        eventually(lambda: not keeper.spool.events)
    assert stored(embedded) == ["a", "b"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_predictions_with_a_known_id_are_counted_by_same_or_another_row(
    url: str, folder: Path
) -> None:
    number = "0" * 27
    numbered = [json.loads(event("a")) | {"number": f"{number}{place}"} for place in range(4)]
    numbered[3]["predictions"][0]["row"] = {"stops": 5}
    with opened(url, folder) as keeper:
        for item in (*numbered, *numbered):  # twice, as after a lost response
            keeper.spool.append(json.dumps(item).encode())
        with run(keeper):
            eventually(lambda: not keeper.spool.events)
        for _ in range(2):  # Prometheus scrapes the zeros, and then the counts
            keeper.metrics.exposition()
        assert sample(keeper, "ml_predictions_duplicate_total") == 2
        assert sample(keeper, "ml_predictions_conflicting_total") == 1
    assert stored(url) == ["a"]


def test_while_the_database_is_unavailable_answers_wait_and_one_line_is_logged(
    later: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(later, folder) as keeper:
        fill(keeper, "ab")
        with run(keeper):
            checks = count()
            # long enough for more than one log line
            eventually(lambda: keeper.checked and next(checks) > 20)
            assert logged(caplog, AWAY) == 1
            assert logged(caplog, "run the verb migrate; answers wait in") == 1
            assert keeper.spool.events == 2
            assert (
                sample(keeper, "ml_record_store_up"),
                sample(keeper, "ml_record_backlog_events"),
            ) == (0, 2)
            with pytest.raises(StoreUnavailableError, match="migrate"):
                keeper.get_or_503().find_predictions(["a"])
            fill(keeper, "c")
            migrate(later)
            eventually(lambda: not keeper.spool.events)
            assert stored(later) == ["a", "b", "c"]
            eventually(lambda: sample(keeper, "ml_record_store_up") == 1)
    assert logged(caplog, "is available again") == 1
    assert keeper.spool.lost == 0


def test_a_server_that_stops_and_starts_again_loses_nothing(
    postgres: "Server", folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.new()
    migrate(url)
    with running(url, folder) as keeper:
        fill(keeper, "ab")
        eventually(lambda: not keeper.spool.events)
        postgres.stop()
        try:
            fill(keeper, "cd")
            eventually(lambda: logged(caplog, AWAY))
            assert keeper.spool.events == 2
        finally:
            postgres.start()
        fill(keeper, "e")
        eventually(lambda: not keeper.spool.events)
        assert stored(url) == list("abcde")
        eventually(lambda: logged(caplog, "is available again"))


def test_a_refused_event_is_quarantined_and_the_rest_is_stored(
    url: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poison = [event("x", None), event("y", None)]
    with opened(url, folder) as keeper:
        fill(keeper, "abc")
        keeper.spool.append(poison[0])
        fill(keeper, "defg")
        keeper.spool.append(poison[1])
        with run(keeper):
            eventually(lambda: not keeper.spool.events)
            fill(keeper, "h")
            eventually(lambda: not keeper.spool.events)
        assert stored(url) == list("abcdefgh")
        assert sample(keeper, "ml_records_lost_total") == 2
        assert sample(keeper, "ml_record_store_up") == 1
    assert (folder / "refused.kept").read_bytes().splitlines() == poison
    assert logged(caplog, "refused.kept") == 2


def test_an_event_that_only_postgresql_refuses_is_quarantined_too(
    postgres: "Server", postgres_records: str, folder: Path
) -> None:
    poison = event("poison").replace(b'"stops": 4', b'"note": "\\u0000"')
    with opened(postgres.url(postgres_records), folder) as keeper:
        fill(keeper, ["good"])
        keeper.spool.append(poison)
        fill(keeper, ["well"])
        with run(keeper):
            eventually(lambda: not keeper.spool.events)
    assert set(stored(keeper.url)) >= {"good", "well"}
    assert (folder / "refused.kept").read_bytes() == poison + b"\n"
    assert keeper.spool.lost == 1


def test_damage_on_disk_is_counted_as_lost(url: str, folder: Path) -> None:
    with opened(url, folder) as keeper:
        fill(keeper, "abc")
    (path,) = folder.glob("*.log")
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"X"'))
    with running(url, folder) as keeper:
        eventually(lambda: not keeper.spool.events)
        eventually(lambda: sample(keeper, "ml_records_lost_total") == 1)
    assert stored(url) == ["a", "c"]


class Leaving(Store):
    """A database that is unavailable for a time after it first refused a single event."""

    away, refused = 3, False

    def insert_events(self, events: Sequence[bytes]) -> InsertResult:
        if self.refused and self.away:
            self.away -= 1
            raise StoreUnavailableError("just now")
        try:
            return super().insert_events(events)
        except Exception:
            self.refused = self.refused or len(events) == 1
            raise


def test_a_refused_event_is_counted_once_even_if_the_database_goes_away(
    url: str, folder: Path
) -> None:
    with opened(url, folder) as keeper:
        keeper.store = Leaving(url)
        keeper.spool.append(event("x", None))
        fill(keeper, "abc")
        with run(keeper):
            eventually(lambda: not keeper.spool.events)
        assert sample(keeper, "ml_records_lost_total") == 1
        keeper.store.engine.dispose()
    assert stored(url) == ["a", "b", "c"]
    assert (folder / "refused.kept").read_bytes().count(b"\n") == 1


def test_a_shipper_that_ends_ships_the_rest_first(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "SHIP_SECONDS", 60)
    with opened(url, folder) as keeper:
        with run(keeper):
            fill(keeper, "abc")
        assert keeper.spool.events == 0
    assert stored(url) == ["a", "b", "c"]


def test_a_shipper_that_ends_without_the_database_logs_the_rest(
    later: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(later, folder) as keeper:
        fill(keeper, "abc")
    assert logged(caplog, "3 answers remain in") == 1
    migrate(later)
    with running(later, folder):
        pass
    assert stored(later) == ["a", "b", "c"]


def test_the_thread_survives_an_unexpected_error(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(url: str) -> Any:
        raise ZeroDivisionError("a surprise")

    with monkeypatch.context() as patch, opened(url, folder) as keeper:
        patch.setattr(keepers, "_open", fail)
        fill(keeper, "a")
        with run(keeper):
            eventually(lambda: logged(caplog, "a surprise"))
            patch.undo()
            eventually(lambda: not keeper.spool.events)
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)
    assert stored(url) == ["a"]
