"""The mode file, which replicas read in addition to the database."""

import shutil
import threading
from pathlib import Path

import pytest
from conftest import eventually
from replicas import NEVER, folder, replica, running, url

from mlprod.records.errors import StoreUnavailableError
from mlprod.records.mode import ModeSwitch
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["folder", "url"]


@pytest.mark.parametrize(
    "content", ["shadow", "shadow\n", "shadow complaints since noon\n", "  shadow\nline two\n"]
)
def test_the_strictest_of_database_and_file_counts(
    url: str, folder: Path, tmp_path: Path, content: str
) -> None:
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


def test_a_file_never_steps_a_mode_up(url: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mode").write_text("automate")
    Store(url).set_mode("shadow", "you", "a test")
    with running(url, folder, file=tmp_path / "mode") as state:
        assert (state.mode, state.source) == ("shadow", "database")


def test_a_file_in_a_missing_folder_is_shadow(url: str, folder: Path, tmp_path: Path) -> None:
    with running(url, folder, "automate", tmp_path / "not mounted" / "mode") as state:
        assert (state.mode, state.source) == ("shadow", "file")


def test_a_file_that_a_kubelet_swaps_is_followed(url: str, folder: Path, tmp_path: Path) -> None:
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
        # the key was removed: the kubelet removes its link, then the content
        (volume / "mode").unlink()
        publish("..4")
        eventually(lambda: state.mode == "automate")


def test_the_file_is_read_while_the_database_hangs(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mode").write_text("automate")
    hangs, go_on = threading.Event(), threading.Event()

    def hang(store: Store) -> ModeSwitch | None:
        hangs.set()
        go_on.wait(NEVER)
        raise StoreUnavailableError("it hung")

    monkeypatch.setattr(Store, "mode", hang)
    follower, stop = replica(url, folder, file=tmp_path / "file"), threading.Event()
    threads = [
        threading.Thread(target=work, args=(stop,))
        for work in (follower.run_files, follower.run_database)
    ]
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


def test_two_replicas_that_share_only_the_file_stop_together(
    tmp_path: Path, empty_records: Path
) -> None:
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
