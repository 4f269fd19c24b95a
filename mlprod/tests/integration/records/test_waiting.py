"""Uncounted rows are found without reading all of them each time, and one process claims each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, insert, text, update

from mlprod.ops.migrate import migrate
from mlprod.records import waiting
from mlprod.records.errors import StoreInterruptedError, StoreUnavailableError
from mlprod.records.store import Store
from mlprod.records.tables import feedback, outcomes, predictions
from mlprod.records.waiting import FIRST_AGE, SWEEP_PAUSE, UncountedRows

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
BEGAN = datetime(2026, 1, 31, 12)


class Clock:
    """A clock that the test sets."""

    time = BEGAN

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "now", made)
    return made


@pytest.fixture
def store(records_url: str) -> Iterator[Store]:
    made = Store(records_url)
    yield made
    made.engine.dispose()


def add(store: Store, *ids: str, at: datetime) -> None:
    """Insert outcomes that arrived at this time."""
    rows = [{"prediction_id": id, "outcome": 1.0, "at": at, "received_at": at} for id in ids]
    with store.connected() as connection:
        connection.execute(insert(outcomes), rows)


def predict(store: Store, *ids: str) -> None:
    stored: list[dict[str, object]] = [
        {"id": id, "score": 0.5, "decision": "call", "unit": None, "row": {}} for id in ids
    ]
    facts = {
        "at": "2026-01-31 12:00:00",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
        "mode": "assist",
    }
    store.insert_events([json.dumps(facts | {"predictions": stored}).encode()])


def taken(rows: UncountedRows, store: Store) -> list[str]:
    """Claim all rows that can be counted now; return their ids."""
    result, more = [], True
    while more:
        result += [row["key"] for row in rows.claim(store, [predictions.c.score])]
        more = rows.more
    return sorted(result)


def outcomes_waiting() -> UncountedRows:
    return UncountedRows(outcomes, outcomes.c.received_at)


def test_countable_rows_are_claimed_once_including_old_ones(store: Store, clock: Clock) -> None:
    predict(store, "a", "b", "c")
    add(store, "a", at=BEGAN - timedelta(days=3))
    one, two = outcomes_waiting(), outcomes_waiting()
    clock.pass_by(seconds=1)
    add(store, "b", "never", at=clock())
    assert taken(one, store) == ["a", "b"]
    add(store, "c", at=clock())
    assert taken(two, store) == ["c"]
    assert taken(one, store) == taken(two, store) == []


@pytest.mark.parametrize("seconds", [0, 1, 3, 10, 100, 5_000, 80_000])
def test_late_prediction_is_found_before_its_outcome_waited_twice_as_long(
    store: Store, clock: Clock, seconds: int
) -> None:
    rows = outcomes_waiting()
    add(store, "late", at=clock())
    assert taken(rows, store) == []
    for _ in range(8):
        clock.pass_by(seconds=seconds / 8)
        assert taken(rows, store) == []
    predict(store, "late")
    clock.pass_by(seconds=seconds / 8 + FIRST_AGE.total_seconds())
    first = taken(rows, store)
    clock.pass_by(seconds=seconds)
    assert first + taken(rows, store) == ["late"]


def test_row_is_claimed_without_a_prediction_after_a_day(store: Store, clock: Clock) -> None:
    rows = outcomes_waiting()
    add(store, "never", at=clock())
    clock.pass_by(hours=23)
    assert taken(rows, store) == []
    clock.pass_by(hours=1)
    (row,) = rows.claim(store, [predictions.c.score])
    assert (row["key"], row["score"]) == ("never", None)
    clock.pass_by(days=1)
    assert taken(rows, store) == []


def test_new_rows_come_before_a_backlog(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_ROWS", 20)
    add(store, *(f"never-{number}" for number in range(500)), at=BEGAN - timedelta(seconds=1))
    rows = outcomes_waiting()
    clock.pass_by(seconds=1)
    predict(store, "new")
    add(store, "new", at=clock())
    assert [row["key"] for row in rows.claim(store, [])] == ["new"]
    assert rows.more
    assert taken(rows, store) == []


def test_rows_with_the_same_time_are_all_found(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_ROWS", 7)
    ids = [f"id-{number:03}" for number in range(100)]
    predict(store, *ids)
    add(store, *ids, at=BEGAN)
    assert taken(outcomes_waiting(), store) == ids


def test_new_row_with_an_old_time_is_found_within_minutes(store: Store, clock: Clock) -> None:
    """Like outcomes copied from another database."""
    rows = outcomes_waiting()
    assert taken(rows, store) == []
    predict(store, "copied")
    add(store, "copied", at=BEGAN - timedelta(days=90))
    clock.pass_by(minutes=2)
    assert taken(rows, store) == ["copied"]


def test_failed_claim_is_repeated_later(store: Store, clock: Clock) -> None:
    predict(store, "a")
    rows = outcomes_waiting()
    add(store, "a", at=clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "connected", interrupted)
        assert rows.claim(store, []) == []
        assert rows.more, "with fewer rows"
        patch.setattr(Store, "connected", away)
        with pytest.raises(StoreUnavailableError):
            rows.claim(store, [])
    assert taken(rows, store) == ["a"]


@contextmanager
def interrupted(_: Store) -> Iterator[Connection]:
    raise StoreInterruptedError("canceling statement due to statement timeout")
    yield


@contextmanager
def away(_: Store) -> Iterator[Connection]:
    raise StoreUnavailableError("connection refused")
    yield


def test_sweep_finds_rows_of_an_unfinished_process(store: Store, clock: Clock) -> None:
    predict(store, "a")
    rows = outcomes_waiting()
    add(store, "a", at=clock())
    assert taken(rows, store) == ["a"]
    # as if another process had claimed it, and its transaction had failed
    with store.connected() as connection:
        connection.execute(update(outcomes).values(counted_at=None))
    clock.pass_by(seconds=SWEEP_PAUSE.total_seconds() + 1)
    assert taken(rows, store) == ["a"]


def test_feedback_waits_like_outcomes(store: Store, clock: Clock) -> None:
    rows = UncountedRows(feedback, feedback.c.at)
    given = {"prediction_id": "late", "verdict": "accepted", "pseudonym": "p", "at": clock()}
    with store.connected() as connection:
        connection.execute(insert(feedback), [{"id": "1"} | given])
    assert taken(rows, store) == []
    predict(store, "late")
    clock.pass_by(seconds=3)
    assert taken(rows, store) == ["1"]


def test_backlog_is_read_rarely(
    postgres: "Server", clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is read twenty times a day instead of every two seconds, as the server counts."""
    size, url = 3_000, postgres.new()
    migrate(url)
    store = Store(url)
    at = clock() - timedelta(seconds=1)
    add(store, *(f"never-{number}" for number in range(size)), at=at)
    with store.connected() as connection:
        connection.execute(text("ANALYZE"))
    rows, before = outcomes_waiting(), read_so_far(store)
    for _ in range(150):
        clock.pass_by(seconds=2)
        assert taken(rows, store) == []
    read = read_so_far(store) - before
    assert size <= read < 20 * size
    store.engine.dispose()


def read_so_far(store: Store) -> int:
    """Return the rows and index entries of `outcomes` that the server has read."""
    query = """SELECT seq_tup_read + coalesce((SELECT sum(idx_tup_read)
    FROM pg_stat_user_indexes AS i WHERE i.relid = t.relid), 0)
    FROM pg_stat_user_tables AS t WHERE relname = 'outcomes'"""
    for statement in ("SELECT pg_stat_force_next_flush()::text", query):
        with store.connected() as connection:
            result = connection.execute(text(statement)).scalar_one()
    return int(result)


def test_scan_reads_an_index(store: Store, clock: Clock) -> None:
    add(store, *(f"never-{number}" for number in range(2_000)), at=clock())
    rows = outcomes_waiting()
    scan = rows._scans[0]
    query = rows._query(scan, clock(), 100).compile(
        store.engine, compile_kwargs={"literal_binds": True}
    )
    explain = "EXPLAIN QUERY PLAN" if store.engine.dialect.name == "sqlite" else "EXPLAIN"
    with store.connected() as connection:
        connection.execute(text("ANALYZE"))
        plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {query}"))
    assert "INDEX outcomes_waiting" in plan or "Index Only Scan using outcomes_waiting" in plan
    assert "Seq Scan on outcomes" not in plan
    assert "SCAN predictions" not in plan
