"""Every answer reaches a slow, locked or refusing database, exactly once."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import eventually
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from mlprod.ops.migrate import migrate
from mlprod.records.errors import EventsRefusedError, StoreInterruptedError, StoreUnavailableError
from mlprod.records.event_log import EventLog
from mlprod.records.pace import Pace
from mlprod.records.shipping import InsertResult
from mlprod.records.store import Store
from mlprod.records.tables import predictions, repeated_answers
from mlprod.serving import record_shipper as keepers
from mlprod.serving.metrics import Metrics
from mlprod.serving.record_shipper import RecordShipper
from mlprod.serving.shipper import Shipper

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
ROW_SECONDS = 0.01  # that a database needs for a prediction, with one second for a statement


def event(number: int, size: int, bad: Sequence[int] = ()) -> bytes:
    """Return the event of a request of `size` rows; a database refuses the `bad` ones."""
    rows: list[dict[str, Any]] = [
        {
            "id": f"{number}-{row}",
            "score": None if row in bad else 0.1 + row,
            "decision": "call",
            "unit": None,
            "row": {},
        }
        for row in range(size)
    ]
    facts = {
        "at": "2026-01-31 12:00:00.123456",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    return json.dumps(facts | {"mode": "assist", "predictions": rows}).encode()


def ids_of(*sizes: int) -> set[str]:
    return {f"{number}-{row}" for number, size in enumerate(sizes) for row in range(size)}


class Memory:
    """A database that finishes `finishes` predictions in a transaction, and may be unavailable."""

    def __init__(self, finishes: int, away: Sequence[bool] = ()) -> None:
        self.finishes, self.away = finishes, iter(away)
        self.rows: dict[str, dict[str, Any]] = {}
        self.sizes: list[int] = []

    def insert_events(self, events: Sequence[bytes]) -> InsertResult:
        rows = [row for item in events for row in json.loads(item)["predictions"]]
        self.sizes.append(len(rows))
        if next(self.away, False):
            raise StoreUnavailableError("just now")
        if len(rows) > self.finishes:
            raise StoreInterruptedError("canceling statement due to statement timeout")
        if any(row["score"] is None for row in rows):
            raise EventsRefusedError("null value in column score")
        known = len(self.rows)
        self.rows |= {row["id"]: row for row in reversed(rows)} | self.rows
        new = len(self.rows) - known
        return InsertResult(new, len(rows) - new)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "spool", 10_000_000)
    yield made
    made.close()


def empty(shipper: Shipper, store: Any) -> None:
    for _ in range(5_000):
        try:
            if not shipper.step(store):
                return
        except StoreUnavailableError:
            continue
    raise AssertionError("this never ends")


@pytest.mark.parametrize("finishes", [1, 2, 7, 50, 299])
def test_a_database_that_finishes_only_a_few_at_once_gets_all(
    spool: EventLog, finishes: int
) -> None:
    sizes = (300, 1, 1, 3, 100, 1)
    for number, size in enumerate(sizes):
        spool.append(event(number, size))
    store, shipper = Memory(finishes), Shipper(spool, Metrics())
    empty(shipper, store)
    assert store.rows.keys() == ids_of(*sizes)
    assert {row["score"] for row in store.rows.values()} == {0.1 + row for row in range(300)}
    assert (spool.events, spool.lost) == (0, 0)
    failed = sum(size > finishes for size in store.sizes)
    assert failed < 12 + len(store.sizes) / 4, "most transactions succeed"


def test_each_answer_of_an_event_that_takes_several_transactions_has_a_number_of_its_own(
    tmp_path: Path, spool: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests have the same ids. Each further answer is stored beside its own first one."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    migrate(url)
    for number in ("a" * 28, "b" * 28):
        content = json.loads(event(0, 25)) | {"number": number}
        spool.append(json.dumps(content).encode())
    monkeypatch.setattr(f"{Shipper.__module__}.MAX_PREDICTIONS", 10)
    store = Store(url)
    empty(Shipper(spool, Metrics()), store)
    with store.connected() as connection:
        first = connection.execute(select(predictions.c.answer_id)).scalars().all()
        further = connection.execute(select(repeated_answers.c.answer_id)).scalars().all()
    assert sorted(first) == [f"{'a' * 28}{place:04x}" for place in range(25)]
    assert sorted(further) == [f"{'b' * 28}{place:04x}" for place in range(25)]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), max_size=12),
    bad=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 39)), max_size=6),
    finishes=st.integers(1, 60),
    away=st.lists(st.booleans(), max_size=30),
    ends=st.lists(st.integers(0, 6), max_size=6),
)
def test_after_any_failure_every_prediction_is_stored_or_quarantined_once(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    bad: set[tuple[int, int]],
    finishes: int,
    away: list[bool],
    ends: list[int],
) -> None:
    spool = EventLog(tmp_path_factory.mktemp("any") / "spool", 10_000_000)
    for number, size in enumerate(sizes):
        spool.append(event(number, size, [row for of, row in bad if of == number]))
    store = Memory(finishes, away)
    for steps in ends:  # a process that ends in between and starts again
        shipper = Shipper(spool, Metrics())
        for _ in range(steps):
            try:
                shipper.step(store)  # type: ignore[arg-type]
            except StoreUnavailableError:
                break
    empty(Shipper(spool, Metrics()), store)
    refused = {
        f"{number}-{row}" for number, row in bad if number < len(sizes) and row < sizes[number]
    }
    assert store.rows.keys() == ids_of(*sizes) - refused
    assert spool.events == 0
    path = spool.folder / "refused.kept"
    stored = (
        [json.loads(line)["predictions"] for line in path.read_bytes().splitlines()]
        if path.exists()
        else []
    )
    assert {row["id"] for rows in stored for row in rows} == refused
    spool.close()


def test_a_split_and_refused_event_is_counted_by_prediction(spool: EventLog) -> None:
    spool.append(event(0, 500, [123]))
    store, metrics = Memory(2_000), Metrics()
    empty(Shipper(spool, metrics), store)
    assert store.rows.keys() == ids_of(500) - {"0-123"}
    assert spool.lost == 1
    counted = {
        name: metrics.registry.get_sample_value(f"ml_predictions_{name}_total")
        for name in ("stored", "duplicate")
    }
    assert counted == {"stored": 499, "duplicate": 0}


def test_the_transaction_size_falls_at_once_and_recovers() -> None:
    pace = Pace(2_000)
    assert pace.fail(1_000)
    assert pace.size == 250
    for _ in range(40):
        pace.succeed()
    assert pace.size == 2_000
    while pace.fail(pace.size):
        pass
    assert pace.size == 1
    for _ in range(60):
        pace.succeed()
    assert pace.size == 2_000


@pytest.fixture
def slow(postgres: "Server") -> str:
    """The URL of a database that needs ROW_SECONDS for a prediction."""
    url = postgres.new()
    migrate(url)
    name = url.rpartition("/")[2]
    sleep = f"BEGIN PERFORM pg_sleep({ROW_SECONDS}); RETURN NEW; END"
    postgres.execute(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS '{sleep}'", name)
    postgres.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON predictions FOR EACH ROW EXECUTE FUNCTION slow()",
        name,
    )
    return url


def test_a_database_that_is_too_slow_for_a_request_gets_it_in_parts(
    slow: str, spool: EventLog
) -> None:
    for number in range(2):
        spool.append(event(number, 150))
    store, metrics = Store(slow, wait=1), Metrics()
    shipper = Shipper(spool, metrics)
    while shipper.step(store):
        pass
    with store.reading() as connection:
        assert set(connection.execute(select(predictions.c.id)).scalars()) == ids_of(150, 150)
    assert metrics.registry.get_sample_value("ml_predictions_stored_total") == 300
    store.engine.dispose()


@contextmanager
def running(
    url: str, spool: EventLog, count: Callable[[Store], None], store: Store | None = None
) -> Iterator[RecordShipper]:
    """A shipper that counts outcomes without pauses."""
    keeper, stop = RecordShipper(url, spool, Metrics(), count), threading.Event()
    keeper.store = store
    thread = threading.Thread(target=keeper.run, args=(stop,))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COUNT_SECONDS", "CHECK_SECONDS", "DRAIN_SECONDS"):
            patch.setattr(keepers, name, 0.02)
        thread.start()
        try:
            yield keeper
        finally:
            stop.set()
            thread.join(30)
    assert not thread.is_alive()
    if keeper.store:
        keeper.store.engine.dispose()


@pytest.fixture
def url(tmp_path: Path, empty_records: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_records, tmp_path / 'records.db')}"


class Stuck(Store):
    """A database that writes no prediction until the test allows it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.let, self.tried = threading.Event(), threading.Event()

    def insert_events(self, events: Sequence[bytes]) -> InsertResult:
        self.tried.set()
        assert self.let.wait(60), "nobody waits for this"
        return super().insert_events(events)


def test_outcomes_are_counted_while_no_prediction_can_be_written(url: str, spool: EventLog) -> None:
    store, counted = Stuck(url), threading.Event()
    spool.append(event(0, 3))
    with running(url, spool, lambda _: counted.set(), store):
        eventually(store.tried.is_set)
        counted.clear()
        eventually(counted.is_set)
        assert spool.events == 1
        store.let.set()
        eventually(lambda: not spool.events)


def test_a_count_that_hangs_or_fails_does_not_block_shipping(
    url: str, spool: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    counting, let, failed = threading.Event(), threading.Event(), threading.Event()

    def count(_: Store) -> None:
        counting.set()
        assert let.wait(60), "nobody waits for this"
        failed.set()
        raise StoreInterruptedError("canceling statement due to statement timeout")

    with running(url, spool, count) as keeper:
        eventually(counting.is_set)
        spool.append(event(0, 3))
        eventually(lambda: not spool.events)
        let.set()
        for _ in range(3):
            failed.clear()
            eventually(failed.is_set)
        assert keeper.metrics.registry.get_sample_value("ml_record_store_up") == 1
    assert caplog.text.count("cannot be counted now: canceling statement") == 1


def test_a_database_that_fails_without_traffic_is_noticed(url: str, spool: EventLog) -> None:
    with running(url, spool, lambda _: None) as keeper:
        eventually(lambda: keeper.metrics.registry.get_sample_value("ml_record_store_up") == 1)
        with keeper.get_or_503().connected() as connection:
            connection.execute(text("ALTER TABLE predictions RENAME TO elsewhere"))
        eventually(lambda: keeper.metrics.registry.get_sample_value("ml_record_store_up") == 0)
        with keeper.get_or_503().connected() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO predictions"))
        eventually(lambda: keeper.metrics.registry.get_sample_value("ml_record_store_up") == 1)
