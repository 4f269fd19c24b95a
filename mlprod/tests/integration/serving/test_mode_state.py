"""The mode of a replica under failures of database, files and disks."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import eventually
from replicas import NEVER, folder, history, later, replica, run, running, sample, url

from mlprod.ops.migrate import migrate
from mlprod.records.errors import EventsRefusedError, StoreUnavailableError
from mlprod.records.mode import ModeSwitch
from mlprod.records.mode_sources import SwitchFolder
from mlprod.records.store import Store
from mlprod.records.tables import modes
from mlprod.serving import mode_follower

pytest_plugins = ["postgres"]
__all__ = ["folder", "later", "url"]


def test_a_replica_without_memory_is_in_shadow_until_the_database_is_read(
    url: str, folder: Path
) -> None:
    state = replica(url, folder, "automate").state
    assert (state.mode, state.source, state.checked) == ("shadow", "unknown", False)
    assert sample(state, "ml_mode_info", mode="shadow") == 1


def test_a_mode_that_was_never_switched_is_the_default_of_the_settings(
    url: str, folder: Path
) -> None:
    with running(url, folder, "automate") as state:
        assert (state.mode, state.source) == ("automate", "settings")
        assert sample(state, "ml_mode_info", mode="automate") == 1
        assert sample(state, "ml_mode_info", mode="shadow") is None


def test_a_switch_reaches_every_replica_and_outlives_it(url: str, tmp_path: Path) -> None:
    store, folders = Store(url), [tmp_path / "one", tmp_path / "two"]
    for item in folders:
        item.mkdir()
    with running(url, folders[0]) as here, running(url, folders[1]) as there:
        for mode in ("automate", "shadow"):
            store.set_mode(mode, "you", "a test")
            eventually(lambda mode=mode: here.mode == there.mode == mode)  # type: ignore[misc]
    store.engine.dispose()
    with running(url, folders[0], "automate") as state:
        assert (state.mode, state.source) == ("shadow", "database")


def test_the_kill_switch_survives_a_restore_of_an_older_database(url: str, folder: Path) -> None:
    follower, store = replica(url, folder), Store(url)
    for mode in ("automate", "assist", "automate"):
        store.set_mode(mode, "you", "a test")
    assert follower.read_database()
    with store.engine.begin() as connection:
        connection.execute(modes.delete())
    follower.state.step_down("shadow", "you", "a stop")
    for _ in range(3):
        assert follower.read_database()
        assert (follower.state.mode, follower.state.unsaved) == ("shadow", False)
    assert history(url) == [("shadow", "you")]


def test_without_the_database_the_mode_is_the_last_one_of_this_folder(
    url: str, later: str, folder: Path
) -> None:
    with running(url, folder, "automate"):
        pass
    with running(later, folder, "assist") as state:
        assert (state.mode, state.source) == ("automate", "memory")
        assert sample(state, "ml_mode_info", mode="automate") == 1


def test_without_any_known_mode_it_is_shadow_until_the_database_is_available(
    later: str, folder: Path
) -> None:
    with running(later, folder, "automate") as state:
        assert state.mode == "shadow"
        migrate(later)
        eventually(lambda: state.mode == "automate")


def test_the_kill_switch_without_the_database_acts_at_once_survives_a_restart_and_is_stored_later(
    url: str, later: str, folder: Path
) -> None:
    Store(url).set_mode("automate", "you", "a test")
    with running(url, folder):
        pass
    with running(later, folder) as state:
        assert state.mode == "automate"
        switch = state.step_down("shadow", "grace", "it declines everybody")
        assert (state.mode, state.source, state.unsaved) == ("shadow", "replica", True)
        assert sample(state, "ml_mode_unsaved") == 1
        assert not state.stored(switch, 0.05)
    again = replica(later, folder)
    assert (again.state.mode, again.state.source) == ("shadow", "replica")
    migrate(later)
    with run(again) as state:
        eventually(lambda: not state.unsaved)
        assert (state.mode, state.source) == ("shadow", "database")
        assert sample(state, "ml_mode_unsaved") == 0
    assert history(later) == [("shadow", "grace")]
    stored = Store(later).mode()
    assert stored == switch
    assert stored.why == "it declines everybody"


def test_with_the_database_a_step_down_is_stored_before_the_answer(url: str, folder: Path) -> None:
    with running(url, folder, "automate") as state:
        assert state.stored(state.step_down("assist", "you", "a test"), NEVER)
        assert (state.mode, state.source, history(url)) == (
            "assist",
            "database",
            [("assist", "you")],
        )


def test_steps_down_without_the_database_are_all_in_the_history(later: str, folder: Path) -> None:
    follower = replica(later, folder, "automate")
    follower.read_database()
    for mode in ("assist", "shadow"):
        follower.state.step_down(mode, "you", f"to {mode}")
    migrate(later)
    assert follower.read_database()
    assert history(later) == [("assist", "you"), ("shadow", "you")]
    assert follower.state.mode == "shadow"


def test_a_repeated_kill_switch_has_the_time_of_its_last_use(url: str, folder: Path) -> None:
    follower, store = replica(url, folder), Store(url)
    follower.state.step_down("shadow", "you", "the first")
    store.set_mode("assist", "somebody", "an hour later")
    follower.state.step_down("shadow", "you", "again")
    assert follower.read_database()
    assert follower.state.mode == "shadow"


def test_an_overlapping_read_does_not_undo_a_switch(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, began, go_on = replica(url, folder, "automate"), threading.Event(), threading.Event()
    read = Store.mode

    def slowly(store: Store) -> ModeSwitch | None:
        answer = read(store)
        began.set()
        assert go_on.wait(NEVER)
        return answer

    monkeypatch.setattr(Store, "mode", slowly)
    reading = threading.Thread(target=follower.read_database)
    reading.start()
    assert began.wait(NEVER)
    # the read in progress does not block the switch
    follower.state.step_down("shadow", "you", "a stop")
    assert follower.state.mode == "shadow"
    go_on.set()
    reading.join(NEVER)
    assert follower.state.mode == "shadow"
    follower.read_database()
    assert (follower.state.mode, follower.state.unsaved) == ("shadow", False)


def test_a_step_up_needs_the_database(later: str, folder: Path) -> None:
    follower = replica(later, folder, "assist")
    with pytest.raises(StoreUnavailableError):
        follower.step_up("automate", "you", "a test")
    assert follower.state.mode == "shadow"


def test_a_switch_that_the_database_refuses_is_active_here_and_blocks_nothing(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Store, late: ModeSwitch, first: ModeSwitch) -> ModeSwitch:
        raise EventsRefusedError("never")

    monkeypatch.setattr(Store, "add_late_switch", refuse)
    store = Store(url)
    store.set_mode("automate", "you", "a test")
    with running(url, folder) as state:
        state.step_down("assist", "you", "a test")
        eventually(lambda: state.reads > 3)
        assert (state.mode, state.unsaved) == ("assist", True)
        store.set_mode("shadow", "somebody", "a stop")
        eventually(lambda: state.mode == "shadow")


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_text(""),
    "blank": lambda path: path.write_text(" \n"),
    "another word": lambda path: path.write_text("stop"),
    "capital letters": lambda path: path.write_text("Assist"),
    "UTF-16": lambda path: path.write_text("automate", encoding="utf-16"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "too long": lambda path: path.write_text("automate " * 1_000),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_invalid_mode_file_is_shadow_and_is_shown(
    url: str, folder: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    Store(url).set_mode("automate", "you", "a test")
    file = tmp_path / "mode"
    UNUSABLE[name](file)
    with running(url, folder, file=file) as state:
        assert (state.mode, state.source) == ("shadow", "file")
        assert sample(state, "ml_mode_file_invalid") == 1
        assert "the mode file counts as shadow" in caplog.text
        file.rmdir() if file.is_dir() else file.unlink()
        eventually(lambda: state.mode == "automate")
        assert sample(state, "ml_mode_file_invalid") == 0


def test_the_threads_survive_an_unexpected_error(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a surprise")

    with running(url, folder, file=tmp_path / "file") as state, monkeypatch.context() as patch:
        patch.setattr(SwitchFolder, "read", fail)
        patch.setattr(mode_follower, "_open", fail)
        patch.setattr(Store, "mode", fail)
        eventually(lambda: "a surprise" in state.database_error)
        patch.undo()
        eventually(lambda: not state.database_error)
        (tmp_path / "file").write_text("shadow")
        eventually(lambda: state.mode == "shadow")
