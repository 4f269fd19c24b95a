import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, func, insert, select, text

from mlprod.records import database, tables
from mlprod.records.errors import EventsRefused, OutcomeConflict, StoreAway
from mlprod.records.shipping import Shipped
from mlprod.records.store import Store

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]

predictions, feedback, modes = tables.predictions, tables.feedback, tables.modes
outcomes, outcome_history = tables.outcomes, tables.outcome_history

EARLY, LATE = datetime(2026, 1, 31, 12), datetime(2026, 2, 28, 12, 30, 15, 123456)
ROW = {
    "weight": 0.1 + 0.2,
    "city": "Tromsø 🐟 \"'; DROP",
    "stops": 2**53,
    "express": True,
    "distance": None,
    "who": "\n\t\\",
}
SECRET = "hunter2"  # noqa: S105 - to be looked for in what is said


def prediction(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "score": 0.25, "decision": "call", "unit": "ab" * 16, "row": ROW} | more


def event(*kept: dict[str, Any], **said: Any) -> bytes:
    """What the service writes down for a request."""
    facts = {"at": "2026-01-31 12:00:00.123456", "bundle": "f" * 64, "model_version": "7", "arm": "champion"}
    return json.dumps(facts | {"mode": "assist"} | said | {"predictions": kept}, ensure_ascii=False).encode()


def outcome(id: str, value: float = 1, at: datetime = EARLY, correction: bool = False) -> dict[str, Any]:
    return {"prediction_id": id, "outcome": float(value), "at": at, "correction": correction}


def opinion(id: str, about: str, **more: Any) -> dict[str, Any]:
    said = {"verdict": "edited", "decision_taken": None, "reason": None, "pseudonym": "p" * 32, "handling_seconds": 1.5}
    return {"id": id, "prediction_id": about} | said | more


def stored(store: Store, table: Table) -> list[dict[str, Any]]:
    with store.engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in found]


@pytest.fixture
def stores(records_url: str) -> Iterator[Callable[[], Store]]:
    """As many replicas as are asked for."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(records_url))
        return made[-1]

    yield make
    for each in made:
        each.engine.dispose()


@pytest.fixture
def store(stores: Callable[[], Store]) -> Store:
    return stores()


def test_a_prediction_is_stored_as_it_was_written_down(store: Store) -> None:
    assert store.ship([event(prediction("a"), prediction("b", unit=None, score=1 / 3), mode="shadow")]) == Shipped(2)
    first, second = stored(store, predictions)
    assert first == {
        "id": "a",
        "at": datetime(2026, 1, 31, 12, 0, 0, 123456),
        "model_version": "7",
        "bundle": "f" * 64,
        "arm": "champion",
        "mode": "shadow",
        "unit_hash": "ab" * 16,
        "score": 0.25,
        "decision": "call",
        "row": ROW,
        "answer_id": None,
        "caller": None,
        "request": None,
        "smoke": None,
    }
    assert (second["unit_hash"], second["score"]) == (None, 1 / 3)


def test_a_score_is_stored_to_the_last_digit(store: Store) -> None:
    scores = [0.0, 1.0, 0.1, 2 / 3, 1e-17, 0.1 + 0.2, -1234567.890123, 1e300]
    store.ship([event(*(prediction(str(number), score=score) for number, score in enumerate(scores)))])
    assert [each["score"] for each in stored(store, predictions)] == scores


def test_a_decision_is_stored_as_text(store: Store) -> None:
    decisions: list[Any] = ["nei, ærlig", "", 250, 12.5]
    store.ship([event(*(prediction(str(number), decision=each) for number, each in enumerate(decisions)))])
    assert [each["decision"] for each in stored(store, predictions)] == ["nei, ærlig", "", "250", "12.5"]


WORDS = st.text("az09 {}[]:,'\"\\/\x1f\x7f\n\r\téß€\u2028\ufeff🐟", max_size=10)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.dictionaries(WORDS, st.none() | st.booleans() | WORDS | st.floats(-1e15, 1e15)),
        max_size=5,
    )
)
def test_any_row_comes_back_as_it_was(store: Store, rows: list[dict[str, Any]]) -> None:
    with store.engine.begin() as connection:
        connection.execute(predictions.delete())
    kept = [prediction(str(number), row=row) for number, row in enumerate(rows)]
    assert store.ship([event(*kept)]) == Shipped(len(rows))
    assert [each["row"] for each in stored(store, predictions)] == rows


def test_what_is_shipped_again_is_there_once(store: Store) -> None:
    events = [event(prediction("a"), prediction("b")), event(prediction("c"))]
    more = [*events, event(prediction("d"))]
    assert [store.ship(each) for each in (events, events, more)] == [Shipped(3), Shipped(0), Shipped(1)]
    assert [each["id"] for each in stored(store, predictions)] == ["a", "b", "c", "d"]


def test_an_id_keeps_the_answer_that_came_first(store: Store) -> None:
    store.ship([event(prediction("a", score=0.1))])
    assert store.ship([event(prediction("a", score=0.9)), event(prediction("b"), prediction("b", score=0.9))]).new == 1
    assert [each["score"] for each in stored(store, predictions)] == [0.1, 0.25]


def test_a_long_backlog_is_shipped_in_one_go(store: Store) -> None:
    events = [event(*(prediction(f"{number}-{row}") for row in range(1_000))) for number in range(3)]
    assert store.ship(events) == Shipped(3_000)


def test_what_no_database_can_hold_is_refused_and_nothing_of_it_is_stored(store: Store) -> None:
    lacking = [
        event(prediction("b", decision=None)),
        event(prediction("b", score=None)),
        event(prediction("b"), at=None),
    ]
    for broken in (b"{", b"{}x", *lacking):
        with pytest.raises(EventsRefused):
            store.ship([event(prediction("a")), broken])
    assert stored(store, predictions) == []
    assert store.ship([event(prediction("a"))]) == Shipped(1)


def test_a_text_with_a_null_is_refused_or_stored_but_never_called_an_absence(store: Store) -> None:
    null = event(prediction("a", row={"note": "\0"}))
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(EventsRefused, match="Unicode"):
            store.ship([null])
    else:
        store.ship([null])
        assert stored(store, predictions)[0]["row"] == {"note": "\0"}


def test_outcomes_are_accepted_once(store: Store) -> None:
    body = [outcome("a"), outcome("b", 0)]
    assert store.add_outcomes(body) == {"accepted": 2, "repeated": 0, "corrected": 0, "unknown": 2}
    assert store.add_outcomes(body) == {"accepted": 0, "repeated": 2, "corrected": 0, "unknown": 2}
    assert [(each["prediction_id"], each["outcome"], each["at"]) for each in stored(store, outcomes)] == [
        ("a", 1.0, EARLY),
        ("b", 0.0, EARLY),
    ]


def test_the_same_outcome_at_another_time_is_a_repetition_and_changes_nothing(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = stored(store, outcomes)
    assert store.add_outcomes([outcome("a", at=LATE, correction=True)])["repeated"] == 1
    assert stored(store, outcomes) == before
    assert stored(store, outcome_history) == []


def test_of_a_body_with_conflicts_nothing_is_written_and_each_is_named(store: Store) -> None:
    store.add_outcomes([outcome("a", 1), outcome("b", 0.5)])
    before = stored(store, outcomes)
    body = [outcome("new"), outcome("b", 0), outcome("a", 0, correction=True), outcome("a", 1), outcome("b", 0.5)]
    with pytest.raises(OutcomeConflict, match="2 outcomes differ") as conflict:
        store.add_outcomes(body)
    assert conflict.value.known == {1: 0.5, 3: 0.0}
    assert stored(store, outcomes) == before
    assert stored(store, outcome_history) == []


def test_a_correction_replaces_an_outcome_and_what_it_replaced_is_kept(store: Store) -> None:
    store.add_outcomes([outcome("a", 1), outcome("b", 1)])
    (first, _) = stored(store, outcomes)
    body = [outcome("a", 0, LATE, correction=True), outcome("c", 1, correction=True)]
    assert store.add_outcomes(body) == {"accepted": 1, "repeated": 0, "corrected": 1, "unknown": 2}
    assert [(each["outcome"], each["at"]) for each in stored(store, outcomes)] == [(0, LATE), (1, EARLY), (1, EARLY)]
    (kept,) = stored(store, outcome_history)
    assert {name: kept[name] for name in first if name in kept}.items() <= first.items()
    assert kept["replaced_at"] == stored(store, outcomes)[0]["received_at"]


def test_several_outcomes_of_one_id_in_one_body_are_taken_in_their_order(store: Store) -> None:
    body = [outcome("a", 1), outcome("a", 1), outcome("a", 2, correction=True), outcome("a", 3, LATE, correction=True)]
    assert store.add_outcomes(body) == {"accepted": 1, "repeated": 1, "corrected": 2, "unknown": 1}
    assert [(each["outcome"], each["at"]) for each in stored(store, outcomes)] == [(3, LATE)]
    assert [each["outcome"] for each in stored(store, outcome_history)] == [1, 2]
    assert store.add_outcomes([outcome("a", 4, correction=True), outcome("a", 3, correction=True)])["corrected"] == 2
    assert [each["outcome"] for each in stored(store, outcomes)] == [3]
    assert [each["outcome"] for each in stored(store, outcome_history)] == [1, 2, 3, 4]


def test_an_id_that_stands_twice_with_different_outcomes_is_a_conflict_with_itself(store: Store) -> None:
    with pytest.raises(OutcomeConflict) as conflict:
        store.add_outcomes([outcome("a", 1), outcome("a", 0)])
    assert conflict.value.known == {1: 1.0}
    assert stored(store, outcomes) == []


def test_an_outcome_that_comes_before_its_prediction_is_matched_once_that_is_shipped(store: Store) -> None:
    assert store.add_outcomes([outcome("a"), outcome("b"), outcome("b")])["unknown"] == 2
    store.ship([event(prediction("a"))])
    assert store.add_outcomes([outcome("a"), outcome("b")])["unknown"] == 1
    joined = select(predictions.c.score, outcomes.c.outcome).join(
        outcomes, outcomes.c.prediction_id == predictions.c.id
    )
    with store.engine.connect() as connection:
        assert connection.execute(joined).all() == [(0.25, 1.0)]


def test_a_full_body_of_outcomes_is_taken_at_once(store: Store) -> None:
    body = [outcome(str(number)) for number in range(1_000)]
    assert store.add_outcomes(body)["accepted"] == 1_000
    corrected = [each | {"outcome": 0.0, "correction": True} for each in body[:200]]
    assert store.add_outcomes(corrected)["corrected"] == 200


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each gives, all begun in the same moment."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def test_of_replicas_that_write_the_same_outcomes_at_once_one_is_the_first(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(3)]
    for turn in range(4):
        body = [outcome(f"{turn}-{number}") for number in range(50)]
        ways = [body, body[::-1], body[25:] + body[:25]]
        counts = at_once([partial(each.add_outcomes, way) for each, way in zip(replicas, ways, strict=True)])
        assert sum(count["accepted"] for count in counts) == 50
        assert sum(count["repeated"] for count in counts) == 100
    assert len(stored(replicas[0], outcomes)) == 200


def test_of_replicas_that_write_different_outcomes_at_once_the_second_is_told_of_the_first(
    stores: Callable[[], Store],
) -> None:
    replicas = [stores() for _ in range(2)]

    def tell(store: Store, value: float) -> str:
        try:
            store.add_outcomes([outcome("a", value)])
        except OutcomeConflict as conflict:
            return f"known: {conflict.known[0]:g}"
        return "accepted"

    told = at_once([partial(tell, each, value) for value, each in enumerate(replicas)])
    (kept,) = stored(replicas[0], outcomes)
    assert sorted(told) == ["accepted", f"known: {kept['outcome']:g}"]


def test_corrections_at_once_in_any_order_leave_every_value_in_the_history(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(2)]
    names = [str(number) for number in range(50)]
    replicas[0].add_outcomes([outcome(name, 0) for name in names])
    bodies = [
        [outcome(name, 1, correction=True) for name in names],
        [outcome(name, 2, correction=True) for name in reversed(names)],
    ]
    counts = at_once([partial(each.add_outcomes, body) for each, body in zip(replicas, bodies, strict=True)])
    assert [count["corrected"] for count in counts] == [50, 50]
    last = {each["outcome"] for each in stored(replicas[0], outcomes)}
    assert len(last) == 1
    assert {each["outcome"] for each in stored(replicas[0], outcome_history)} == {0, 1, 2} - last


def test_the_same_predictions_from_two_replicas_at_once_are_there_once(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(2)]
    events = [event(prediction(f"{number}-a"), prediction(f"{number}-b")) for number in range(100)]
    shipped = at_once([lambda: replicas[0].ship(events), lambda: replicas[1].ship(events)])
    assert sum(each.new for each in shipped) == 200


def test_feedback_is_taken_once_by_its_id(store: Store) -> None:
    store.ship([event(prediction("a"))])
    said = [opinion("1", "a", verdict="overridden", decision_taken="leave", reason="known"), opinion("2", "b")]
    assert store.add_feedback([*said, said[0]]) == ({"1", "2"}, 1)
    assert store.add_feedback([*said, opinion("3", "a", handling_seconds=None)]) == ({"3"}, 1)
    kept = stored(store, feedback)
    assert [each["id"] for each in kept] == ["1", "2", "3"]
    assert {name: kept[0][name] for name in said[0]} == said[0]
    assert kept[2]["handling_seconds"] is None


def test_feedback_of_replicas_at_once_is_counted_once(stores: Callable[[], Store]) -> None:
    replicas = [stores() for _ in range(2)]
    said = [opinion(str(number), "a") for number in range(100)]
    (first, _), (second, _) = at_once(
        [lambda: replicas[0].add_feedback(said), lambda: replicas[1].add_feedback(said[::-1])]
    )
    assert len(first | second) == 100
    assert not first & second


def test_a_prediction_id_that_the_database_cannot_hold_is_refused(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite holds any text")
    with pytest.raises(EventsRefused):
        store.add_outcomes([outcome("\0")])
    with pytest.raises(EventsRefused):
        store.add_feedback([opinion("1", "\0")])


def test_the_mode_that_was_set_last_holds_and_who_set_it_is_known(stores: Callable[[], Store]) -> None:
    here, there = stores(), stores()
    assert here.mode() is None
    for mode in ("automate", "shadow", "assist"):
        done = here.set_mode(mode, "ops@example.org", "klager – «siden» kl. 12")
    assert there.mode() == done
    assert (done.mode, done.who, done.why) == ("assist", "ops@example.org", "klager – «siden» kl. 12")
    assert [each["mode"] for each in stored(here, modes)] == ["automate", "shadow", "assist"]


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
        with pytest.raises(StoreAway, match=r"run the verb migrate$"):
            work()
    store.engine.dispose()


def test_a_database_that_others_hold_is_away_until_they_let_go(
    records_url: str, stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT", 0.1 if records_url.startswith("sqlite") else 1)
    store, other = stores(), stores()
    said = event(prediction("a", row={"z": "malformed JSON, has no column, does not exist"}))
    with other.engine.begin() as connection:
        if other.engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreAway) as away:
            store.ship([said])
        assert "migrate" not in str(away.value)
    assert store.ship([said]) == Shipped(1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_server_that_is_not_there_is_away_and_no_password_is_told() -> None:
    store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port()}/records")
    for work in everything(store):
        with pytest.raises(StoreAway, match="refused") as away:
            work()
        assert SECRET not in str(away.value)


def test_a_server_that_says_nothing_is_away_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(f"postgresql://me:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/records")
        with pytest.raises(StoreAway) as away:
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
        with pytest.raises(StoreAway):
            store.mode()
    finally:
        os.kill(process, signal.SIGCONT)
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_database_or_a_user_that_the_server_does_not_know_is_away_but_no_matter_of_tables(postgres: "Server") -> None:
    for url in (postgres.url("nothing"), postgres.url().replace("tests@", f"nobody:{SECRET}@")):
        with pytest.raises(StoreAway, match="does not exist") as away:
            Store(url).mode()
        assert "migrate" not in str(away.value)
        assert SECRET not in str(away.value)


@pytest.mark.parametrize("path", ["folder", "file/records.db", "text.db"])
def test_a_file_that_is_no_database_is_away(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreAway):
        Store(f"sqlite:///{tmp_path / path}").mode()


def test_the_folder_of_a_file_is_made(tmp_path: Path, empty_records: Path) -> None:
    path = tmp_path / "not" / "yet" / "records.db"
    store = Store(f"sqlite:///{path}")
    shutil.copy(empty_records, path)
    assert store.mode() is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgres+psycopg", "postgresql+psycopg"])
def test_every_name_of_postgresql_that_the_settings_take_is_understood(scheme: str) -> None:
    with pytest.raises(StoreAway, match="refused"):
        Store(f"{scheme}://me@127.0.0.1:{closed_port()}/records").mode()


def test_times_are_utc_whatever_the_server_thinks(store: Store) -> None:
    store.add_outcomes([outcome("a")])
    before = database.now()
    with store.engine.begin() as connection:
        connection.execute(insert(modes).values(mode="shadow", who="you", why="a test", at=before))
        assert connection.execute(select(func.max(modes.c.at))).scalar_one() == before
    assert abs((stored(store, outcomes)[0]["received_at"] - before).total_seconds()) < 60


def test_deletion_goes_in_pieces_between_which_others_write_and_goes_on_after_an_end(
    stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, service = stores(), stores()
    monkeypatch.setattr(f"{Store.__module__}.FORGET_ROWS", 10)
    old = "2026-01-31 12:00:00.000000"
    store.ship([event(*(prediction(f"old-{row}") for row in range(55)), at=old)])
    seen: list[int] = []

    def progress(gone: dict[str, int]) -> None:
        seen.append(gone["predictions"])
        service.ship([event(prediction(f"new-{len(seen)}"), at="2026-02-02 12:00:00.000000")])
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.forget(datetime(2026, 2, 1), progress)
    assert seen == [10, 20, 30]
    assert len(stored(store, predictions)) == 25 + 3
    assert store.forget(datetime(2026, 2, 1))["predictions"] == 25
    assert sorted(row["id"] for row in stored(store, predictions)) == ["new-1", "new-2", "new-3"]


def test_what_is_older_than_a_day_is_forgotten_and_the_rest_kept(store: Store) -> None:
    old, new = "2026-01-31 12:00:00.000000", "2026-02-02 00:00:00.000000"
    store.ship([event(prediction("old"), at=old), event(prediction("new"), at=new)])
    store.add_outcomes([outcome("old", 1)])
    store.set_mode("shadow", "you", "a test")
    gone = store.forget(datetime(2026, 2, 1))
    assert gone == {"predictions": 1, "repeated_answers": 0, "outcomes": 0, "outcome_history": 0, "feedback": 0}
    assert [row["id"] for row in stored(store, predictions)] == ["new"]
    rest = {"predictions": 1, "repeated_answers": 0, "outcomes": 1, "outcome_history": 0, "feedback": 0}
    assert store.forget(datetime(2100, 1, 1)) == rest
    assert store.mode()
