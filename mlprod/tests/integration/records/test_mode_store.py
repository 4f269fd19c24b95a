"""Switches in the database: a late one never relaxes the mode, and the last row applies."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from replicas import NEVER, url

from mlprod.ops.migrate import migrate
from mlprod.records.database import now
from mlprod.records.mode import ModeSwitch
from mlprod.records.store import Store
from mlprod.records.tables import modes

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]
__all__ = ["url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, url: str) -> Iterator[Store]:
    if request.param == "sqlite":
        store = Store(url)
    else:
        server: Server = request.getfixturevalue("postgres")
        postgresql = server.new()
        migrate(postgresql)
        store = Store(postgresql)
    yield store
    store.engine.dispose()


FIRST = ModeSwitch("automate", "settings", "ML_MODE")
HOUR = timedelta(hours=1)


def late_switch(mode: str, hours: float, number: int = 0) -> ModeSwitch:
    return ModeSwitch(mode, "replica", "while the database was away", now() - hours * HOUR, number)


def test_late_stop_applies_and_a_repeat_changes_nothing(records: Store) -> None:
    late = late_switch("shadow", 1)
    for _ in range(3):
        assert records.add_late_switch(late, FIRST).mode == "shadow"
    holds = records.mode()
    assert holds == late
    with records.engine.connect() as connection:
        assert len(connection.execute(modes.select()).all()) == 1


@pytest.mark.parametrize("newer", ["assist", "automate"])
def test_late_stop_applies_against_a_newer_switch_without_a_step_up(
    records: Store, newer: str
) -> None:
    records.set_mode("automate", "somebody", "before")
    records.set_mode(newer, "somebody", "without knowing of the stop")
    assert records.add_late_switch(late_switch("shadow", 1), FIRST).mode == "shadow"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("shadow", "replica")


def test_step_up_after_a_late_stop_applies_and_the_stop_is_in_history(
    records: Store,
) -> None:
    records.set_mode("shadow", "you", "a stop through another replica")
    records.set_mode("assist", "somebody", "all is well")
    late = late_switch("shadow", 1)
    assert records.add_late_switch(late, FIRST).mode == "assist"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("assist", "somebody")
    assert "came late" in holds.why
    with records.engine.connect() as connection:
        assert [
            row.mode for row in connection.execute(modes.select().order_by(modes.c.number))
        ] == [
            "shadow",
            "assist",
            "shadow",
            "assist",
        ]


def test_step_up_known_at_the_stop_does_not_undo_it_despite_clocks(
    records: Store,
) -> None:
    records.set_mode("shadow", "somebody", "before")
    known = records.set_mode("automate", "somebody", "by a clock that is hours ahead")
    assert records.add_late_switch(late_switch("shadow", 5, known.number), FIRST).mode == "shadow"


def test_late_step_down_does_not_relax_a_stop(records: Store) -> None:
    records.set_mode("shadow", "somebody", "a stop that the replica did not know")
    assert records.add_late_switch(late_switch("assist", 0), FIRST).mode == "shadow"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("shadow", "somebody")


def test_late_switch_does_not_relax_the_first_mode(records: Store) -> None:
    first = ModeSwitch("shadow", "settings", "ML_MODE")
    assert records.add_late_switch(late_switch("assist", 0), first).mode == "shadow"
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"


def test_invalid_mode_written_by_hand_is_shadow(records: Store) -> None:
    with records.engine.begin() as connection:
        connection.execute(modes.insert().values(mode="stop!", who="dba", why="by hand", at=now()))
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"


def test_mode_is_read_during_a_write(records: Store) -> None:
    records.set_mode("assist", "you", "a test")
    with records.connected() as connection:
        connection.execute(
            modes.insert().values(mode="shadow", who="you", why="not done yet", at=now())
        )
        holds = records.mode()
        assert holds
        assert holds.mode == "assist"


def test_concurrent_switches_are_all_written_and_the_strictest_applies(
    records: Store,
) -> None:
    records.set_mode("automate", "you", "a test")
    switches = [
        late_switch("shadow" if number % 2 else "assist", number / 100) for number in range(6)
    ]
    threads = [
        threading.Thread(target=records.add_late_switch, args=(item, FIRST)) for item in switches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(NEVER)
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"
