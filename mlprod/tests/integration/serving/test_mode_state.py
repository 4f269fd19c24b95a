"""Which mode holds in a replica, whatever the database, files and disks do."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import eventually

from mlprod.ops.migrate import migrate
from mlprod.records.database import now
from mlprod.records.errors import EventsRefused, StoreAway
from mlprod.records.mode import Mode, new_switch
from mlprod.records.mode_memory import ModeMemory
from mlprod.records.mode_sources import SwitchFolder
from mlprod.records.store import Store
from mlprod.records.tables import modes
from mlprod.serving import mode_follower
from mlprod.serving.metrics import Metrics
from mlprod.serving.mode_follower import ModeFollower
from mlprod.serving.mode_state import ModeState

if TYPE_CHECKING:
    from postgres import Server

pytest_plugins = ["postgres"]

NEVER = 30.0  # seconds that nothing here takes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def url(tmp_path: Path, empty_records: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_records, tmp_path / 'records.db')}"


@pytest.fixture
def later(tmp_path: Path) -> str:
    """A database that has no tables yet."""
    return f"sqlite:///{tmp_path / 'later.db'}"


def replica(url: str, folder: Path, first_mode: str = "assist", file: Path | None = None) -> ModeFollower:
    """The mode of a replica that nothing follows yet."""
    memory, switches = ModeMemory(folder / "mode"), SwitchFolder(folder.parent / "switches")
    return ModeFollower(ModeState(memory, switches, file, first_mode, Metrics()), url)


@contextmanager
def run(follower: ModeFollower) -> Iterator[ModeState]:
    """It follows files and database within."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in (follower.run_files, follower.run_database)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: follower.state.looked)
        yield follower.state
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


@contextmanager
def running(url: str, folder: Path, first_mode: str = "assist", file: Path | None = None) -> Iterator[ModeState]:
    with run(replica(url, folder, first_mode, file)) as state:
        yield state


def sample(state: ModeState, name: str, **labels: str) -> float | None:
    return state.metrics.registry.get_sample_value(name, labels)


def history(url: str) -> list[tuple[str, str]]:
    """(mode, who) of every row, oldest first."""
    store = Store(url)
    with store.engine.connect() as connection:
        rows = [(row.mode, row.who) for row in connection.execute(modes.select().order_by(modes.c.number))]
    store.engine.dispose()
    return rows


def test_until_it_was_read_a_replica_that_knows_nothing_is_in_shadow(url: str, folder: Path) -> None:
    state = replica(url, folder, "automate").state
    assert (state.mode, state.source, state.looked) == ("shadow", "unknown", False)
    assert sample(state, "ml_mode_info", mode="shadow") == 1


def test_a_mode_that_was_never_switched_is_that_of_the_settings(url: str, folder: Path) -> None:
    with running(url, folder, "automate") as state:
        assert (state.mode, state.source) == ("automate", "settings")
        assert sample(state, "ml_mode_info", mode="automate") == 1
        assert sample(state, "ml_mode_info", mode="shadow") is None


def test_a_switch_reaches_every_replica_and_outlives_it(url: str, tmp_path: Path) -> None:
    store, folders = Store(url), [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with running(url, folders[0]) as here, running(url, folders[1]) as there:
        for mode in ("automate", "shadow"):
            store.set_mode(mode, "you", "a test")
            eventually(lambda mode=mode: here.mode == there.mode == mode)  # type: ignore[misc]
    store.engine.dispose()
    with running(url, folders[0], "automate") as state:
        assert (state.mode, state.source) == ("shadow", "database")


def test_a_stop_holds_although_the_database_was_restored_from_before(url: str, folder: Path) -> None:
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


def test_while_the_database_is_away_the_mode_is_what_held_last_in_this_folder(
    url: str, later: str, folder: Path
) -> None:
    with running(url, folder, "automate"):
        pass
    with running(later, folder, "assist") as state:
        assert (state.mode, state.source) == ("automate", "memory")
        assert sample(state, "ml_mode_info", mode="automate") == 1


def test_where_nothing_was_ever_known_the_mode_is_shadow_until_the_database_is_there(later: str, folder: Path) -> None:
    with running(later, folder, "automate") as state:
        assert state.mode == "shadow"
        migrate(later)
        eventually(lambda: state.mode == "automate")


@pytest.mark.parametrize("damage", [b"", b"aut", b"full speed", b"\xff\xfe", b"{}", b'{"known": 7, "unsaved": []}'])
def test_a_memory_that_makes_no_sense_is_shadow(later: str, folder: Path, damage: bytes) -> None:
    (folder / "mode").write_bytes(damage)
    assert replica(later, folder, "automate").state.mode == "shadow"


def test_the_memory_of_an_older_version_is_understood(later: str, folder: Path) -> None:
    (folder / "mode").write_bytes(b"automate")
    assert replica(later, folder).state.mode == "automate"


def test_a_stop_without_the_database_holds_at_once_outlives_the_process_and_is_stored_when_it_is_back(
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
        assert (state.mode, state.source, history(url)) == ("assist", "database", [("assist", "you")])


def test_steps_down_without_the_database_are_all_kept_in_history(later: str, folder: Path) -> None:
    follower = replica(later, folder, "automate")
    follower.read_database()
    for mode in ("assist", "shadow"):
        follower.state.step_down(mode, "you", f"to {mode}")
    migrate(later)
    assert follower.read_database()
    assert history(later) == [("assist", "you"), ("shadow", "you")]
    assert follower.state.mode == "shadow"


def test_a_repeated_stop_counts_from_its_last_time(url: str, folder: Path) -> None:
    follower, store = replica(url, folder), Store(url)
    follower.state.step_down("shadow", "you", "the first")
    store.set_mode("assist", "somebody", "an hour later")
    follower.state.step_down("shadow", "you", "again")
    assert follower.read_database()
    assert follower.state.mode == "shadow"


def test_a_switch_that_a_read_overlapped_is_not_undone_by_it(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, began, go_on = replica(url, folder, "automate"), threading.Event(), threading.Event()
    read = Store.mode

    def slowly(store: Store) -> Mode | None:
        answer = read(store)
        began.set()
        assert go_on.wait(NEVER)
        return answer

    monkeypatch.setattr(Store, "mode", slowly)
    reading = threading.Thread(target=follower.read_database)
    reading.start()
    assert began.wait(NEVER)
    follower.state.step_down("shadow", "you", "a stop")  # although a read goes on, which does not hold it up
    assert follower.state.mode == "shadow"
    go_on.set()
    reading.join(NEVER)
    assert follower.state.mode == "shadow"
    follower.read_database()
    assert (follower.state.mode, follower.state.unsaved) == ("shadow", False)


def test_a_step_up_needs_the_database(later: str, folder: Path) -> None:
    follower = replica(later, folder, "assist")
    with pytest.raises(StoreAway):
        follower.step_up("automate", "you", "a test")
    assert follower.state.mode == "shadow"


def test_a_switch_that_no_database_takes_holds_here_and_holds_up_nothing(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Store, late: Mode, first: Mode) -> Mode:
        raise EventsRefused("never")

    monkeypatch.setattr(Store, "add_late_switch", refuse)
    store = Store(url)
    store.set_mode("automate", "you", "a test")
    with running(url, folder) as state:
        state.step_down("assist", "you", "a test")
        eventually(lambda: state.reads > 3)
        assert (state.mode, state.unsaved) == ("assist", True)
        store.set_mode("shadow", "somebody", "a stop")
        eventually(lambda: state.mode == "shadow")


@pytest.mark.parametrize("content", ["shadow", "shadow\n", "shadow complaints since noon\n", "  shadow\nline two\n"])
def test_the_strictest_of_database_and_file_counts(url: str, folder: Path, tmp_path: Path, content: str) -> None:
    file = tmp_path / "mode"
    Store(url).set_mode("automate", "you", "a test")
    with running(url, folder, file=file) as state:
        assert state.mode == "automate"
        file.write_text(content)
        eventually(lambda: (state.mode, state.source) == ("shadow", "file"))
        file.write_text("assist")
        eventually(lambda: (state.mode, state.source) == ("assist", "file"))
        file.write_text("automate")
        eventually(lambda: (state.mode, state.source) == ("automate", "database"))
        file.write_text("assist")
        eventually(lambda: state.mode == "assist")
        file.unlink()
        eventually(lambda: state.mode == "automate")


def test_a_file_loosens_nothing(url: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mode").write_text("automate")
    Store(url).set_mode("shadow", "you", "a test")
    with running(url, folder, file=tmp_path / "mode") as state:
        assert (state.mode, state.source) == ("shadow", "database")


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
def test_a_file_that_cannot_be_understood_is_shadow_and_is_seen(
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


def test_a_file_whose_folder_is_absent_is_shadow(url: str, folder: Path, tmp_path: Path) -> None:
    with running(url, folder, "automate", tmp_path / "not mounted" / "mode") as state:
        assert (state.mode, state.source) == ("shadow", "file")


def test_a_file_as_a_kubelet_swaps_it_is_followed(url: str, folder: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"

    def publish(name: str, **content: str) -> None:
        (volume / name).mkdir(parents=True)
        for key, word in content.items():
            (volume / name / key).write_text(word)
        (volume / "draft").symlink_to(name)
        (volume / "draft").replace(volume / "..data")

    publish("..1", mode="shadow")
    (volume / "mode").symlink_to("..data/mode")
    with running(url, folder, "automate", volume / "mode") as state:
        assert state.mode == "shadow"
        publish("..2", mode="automate")
        eventually(lambda: state.mode == "automate")
        publish("..3", mode="shadow again")
        eventually(lambda: state.mode == "shadow")
        (volume / "mode").unlink()  # the key is gone: the kubelet removes its link, then the content
        publish("..4")
        eventually(lambda: state.mode == "automate")


def test_the_file_is_read_while_the_database_hangs(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mode").write_text("automate")
    hangs, go_on = threading.Event(), threading.Event()

    def hang(store: Store) -> Mode | None:
        hangs.set()
        go_on.wait(NEVER)
        raise StoreAway("it hung")

    monkeypatch.setattr(Store, "mode", hang)
    follower, stop = replica(url, folder, file=tmp_path / "file"), threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in (follower.run_files, follower.run_database)]
    for thread in threads:
        thread.start()
    try:
        assert hangs.wait(NEVER)
        (tmp_path / "file").write_text("assist")
        eventually(lambda: follower.state.mode == "assist")
        follower.state.step_down("shadow", "you", "a stop")
        assert (follower.state.mode, go_on.is_set()) == ("shadow", False)
    finally:
        stop.set()
        go_on.set()
        for thread in threads:
            thread.join(20)


def test_two_replicas_that_share_nothing_but_the_file_stop_together(tmp_path: Path, empty_records: Path) -> None:
    places = [tmp_path / name for name in ("one", "two")]
    for place in places:
        (place / "spool").mkdir(parents=True)
        shutil.copy(empty_records, place / "records.db")
    urls, file = [f"sqlite:///{place}/records.db" for place in places], tmp_path / "mode"
    with (
        running(urls[0], places[0] / "spool", "automate", file) as here,
        running(urls[1], places[1] / "spool", "automate", file) as there,
    ):
        file.write_text("shadow")
        eventually(lambda: here.mode == there.mode == "shadow")
        file.unlink()
        eventually(lambda: here.mode == there.mode == "automate")


def test_a_switch_in_the_folder_of_the_machine_reaches_its_replicas_and_then_the_database(
    later: str, folder: Path, tmp_path: Path
) -> None:
    other, switches = tmp_path / "spool-2", SwitchFolder(tmp_path / "switches")
    other.mkdir()
    for place in (folder, other):
        (place / "mode").write_text("automate")
    with running(later, folder) as here, running(later, other) as there:
        path = switches.add(new_switch("shadow", "grace", "complaints"))
        eventually(lambda: here.mode == there.mode == "shadow")
        assert here.unsaved
        assert there.unsaved
        migrate(later)
        eventually(lambda: not here.unsaved and not there.unsaved)
        assert here.mode == there.mode == "shadow"
        eventually(lambda: not path.exists())
        assert history(later) == [("shadow", "grace")]
        Store(later).set_mode("assist", "you", "all is well")
        eventually(lambda: here.mode == there.mode == "assist")


def test_a_switch_that_left_the_folder_holds_until_the_database_was_read(
    later: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "mode").write_text("automate")
    path = SwitchFolder(tmp_path / "switches").add(new_switch("shadow", "grace", "complaints"))
    state = replica(later, folder).state
    path.unlink()  # as another replica does that has stored it
    state.read_files()
    assert state.mode == "shadow"


def test_a_switch_of_the_folder_that_cannot_be_read_is_shadow(url: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "switches").mkdir()
    (tmp_path / "switches" / "1.json").write_text("{")
    with running(url, folder, "automate") as state:
        eventually(lambda: not state.unsaved)
        assert (state.mode, history(url)) == ("shadow", [("shadow", "unknown")])


def test_a_folder_that_cannot_be_listed_is_shadow_until_it_can(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(path: Path) -> None:
        raise PermissionError(f"{path}: permission denied")

    with running(url, folder, "automate") as state:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "iterdir", hidden)
            eventually(lambda: (state.mode, state.source) == ("shadow", "replica"))
        eventually(lambda: (state.mode, state.unsaved) == ("automate", False))
        assert history(url) == []


def test_what_cannot_be_removed_from_the_folder_holds_only_until_it_is_stored(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SwitchFolder, "remove", lambda self, path: None)
    SwitchFolder(tmp_path / "switches").add(new_switch("shadow", "root", "complaints"))
    with running(url, folder) as state:
        eventually(lambda: not state.unsaved)
        assert state.mode == "shadow"
        Store(url).set_mode("assist", "you", "all is well")
        eventually(lambda: state.mode == "assist")
    with running(url, folder) as state:
        eventually(lambda: not state.unsaved)
        assert (state.mode, history(url)) == ("assist", [("shadow", "root"), ("assist", "you")])


def test_a_mode_that_cannot_be_remembered_is_shadow_after_a_restart(
    url: str, later: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = replica(url, folder, "automate")
    follower.read_database()
    assert follower.state.mode == "automate"

    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("mlprod.records.mode_memory.atomic_write", full)
    monkeypatch.setattr(ModeMemory, "_overwrite", full)
    follower.state.step_down("shadow", "you", "a stop")
    assert follower.state.mode == "shadow"
    assert "no space" in follower.state.forgotten
    assert replica(later, folder).state.mode == "shadow"


def test_a_full_disk_is_overwritten_in_place(
    url: str, later: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = replica(url, folder, "automate")
    follower.read_database()

    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("mlprod.records.mode_memory.atomic_write", full)
    size = (folder / "mode").stat().st_size
    follower.state.step_down("shadow", "you", "a stop")
    assert (follower.state.forgotten, (folder / "mode").stat().st_size) == ("", size)
    assert (replica(later, folder).state.mode, replica(later, folder).state.source) == ("shadow", "replica")


def test_what_is_remembered_fits_whatever_a_caller_writes(later: str, folder: Path) -> None:
    state = replica(later, folder, "automate").state
    size = (folder / "mode").stat().st_size if (folder / "mode").exists() else 16_384
    for mode in ("automate", "assist", "shadow"):
        state.step_down(mode, "\x01" * 128, "\x01" * 400 + "\U0001f600" * 100)
    assert (folder / "mode").stat().st_size == size
    assert len(json.loads((folder / "mode").read_text())["unsaved"]) == 3


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


FIRST = Mode("automate", "settings", "ML_MODE")
HOUR = timedelta(hours=1)


def late_switch(mode: str, hours: float, number: int = 0) -> Mode:
    return Mode(mode, "replica", "while the database was away", now() - hours * HOUR, number)


def test_a_late_stop_holds_and_to_write_it_again_changes_nothing(records: Store) -> None:
    late = late_switch("shadow", 1)
    for _ in range(3):
        assert records.add_late_switch(late, FIRST).mode == "shadow"
    holds = records.mode()
    assert holds == late
    with records.engine.connect() as connection:
        assert len(connection.execute(modes.select()).all()) == 1


@pytest.mark.parametrize("newer", ["assist", "automate"])
def test_a_late_stop_holds_against_a_newer_switch_that_was_no_step_up(records: Store, newer: str) -> None:
    records.set_mode("automate", "somebody", "before")
    records.set_mode(newer, "somebody", "knowing nothing of the stop")
    assert records.add_late_switch(late_switch("shadow", 1), FIRST).mode == "shadow"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("shadow", "replica")


def test_a_deliberate_step_up_after_a_late_stop_holds_and_the_stop_stands_in_history(records: Store) -> None:
    records.set_mode("shadow", "you", "a stop through another replica")
    records.set_mode("assist", "somebody", "all is well")
    late = late_switch("shadow", 1)
    assert records.add_late_switch(late, FIRST).mode == "assist"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("assist", "somebody")
    assert "came late" in holds.why
    with records.engine.connect() as connection:
        assert [row.mode for row in connection.execute(modes.select().order_by(modes.c.number))] == [
            "shadow",
            "assist",
            "shadow",
            "assist",
        ]


def test_a_step_up_that_was_known_when_the_stop_was_made_does_not_undo_it_whatever_clocks_say(records: Store) -> None:
    records.set_mode("shadow", "somebody", "before")
    known = records.set_mode("automate", "somebody", "by a clock that is hours ahead")
    assert records.add_late_switch(late_switch("shadow", 5, known.number), FIRST).mode == "shadow"


def test_a_late_step_down_does_not_loosen_a_stop(records: Store) -> None:
    records.set_mode("shadow", "somebody", "a stop that the replica had not heard of")
    assert records.add_late_switch(late_switch("assist", 0), FIRST).mode == "shadow"
    holds = records.mode()
    assert holds
    assert (holds.mode, holds.who) == ("shadow", "somebody")


def test_a_late_switch_does_not_loosen_the_first_mode(records: Store) -> None:
    first = Mode("shadow", "settings", "ML_MODE")
    assert records.add_late_switch(late_switch("assist", 0), first).mode == "shadow"
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"


def test_a_mode_that_somebody_wrote_by_hand_and_that_is_none_is_shadow(records: Store) -> None:
    with records.engine.begin() as connection:
        connection.execute(modes.insert().values(mode="stop!", who="dba", why="by hand", at=now()))
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"


def test_the_mode_is_read_while_another_writes(records: Store) -> None:
    records.set_mode("assist", "you", "a test")
    with records.connected() as connection:
        connection.execute(modes.insert().values(mode="shadow", who="you", why="not done yet", at=now()))
        holds = records.mode()
        assert holds
        assert holds.mode == "assist"


def test_switches_at_the_same_moment_are_all_written_and_the_strictest_holds(records: Store) -> None:
    records.set_mode("automate", "you", "a test")
    switches = [late_switch("shadow" if number % 2 else "assist", number / 100) for number in range(6)]
    threads = [threading.Thread(target=records.add_late_switch, args=(item, FIRST)) for item in switches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(NEVER)
    holds = records.mode()
    assert holds
    assert holds.mode == "shadow"


def test_the_threads_outlive_what_nobody_thought_of(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a surprise")

    with running(url, folder, file=tmp_path / "file") as state, monkeypatch.context() as patch:
        patch.setattr(SwitchFolder, "read", fail)
        patch.setattr(mode_follower, "_open", fail)
        patch.setattr(Store, "mode", fail)
        eventually(lambda: "a surprise" in state.away)
        patch.undo()
        eventually(lambda: not state.away)
        (tmp_path / "file").write_text("shadow")
        eventually(lambda: state.mode == "shadow")
