"""Switches in the folder of a machine, which wait for the database."""

from pathlib import Path

import pytest
from conftest import eventually
from replicas import folder, history, later, replica, running, url

from mlprod.ops.migrate import migrate
from mlprod.records.mode import new_switch
from mlprod.records.mode_sources import SwitchFolder
from mlprod.records.store import Store

pytest_plugins = ["postgres"]
__all__ = ["folder", "later", "url"]


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


def test_a_switch_removed_from_the_folder_is_active_until_the_database_is_read(
    later: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "mode").write_text("automate")
    path = SwitchFolder(tmp_path / "switches").add(new_switch("shadow", "grace", "complaints"))
    state = replica(later, folder).state
    path.unlink()  # as another replica does after it has stored the switch
    state.read_files()
    assert state.mode == "shadow"


def test_a_switch_of_the_folder_that_cannot_be_read_is_shadow(
    url: str, folder: Path, tmp_path: Path
) -> None:
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


def test_a_switch_that_cannot_be_removed_is_active_only_until_it_is_stored(
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
