"""The memory of the mode in the folder of a replica."""

import json
from pathlib import Path

import pytest
from replicas import folder, later, replica, url

from mlprod.records.mode_memory import ModeMemory

pytest_plugins = ["postgres"]
__all__ = ["folder", "later", "url"]


@pytest.mark.parametrize(
    "damage", [b"", b"aut", b"full speed", b"\xff\xfe", b"{}", b'{"known": 7, "unsaved": []}']
)
def test_an_invalid_memory_is_shadow(later: str, folder: Path, damage: bytes) -> None:
    (folder / "mode").write_bytes(damage)
    assert replica(later, folder, "automate").state.mode == "shadow"


def test_the_memory_of_an_older_version_is_read(later: str, folder: Path) -> None:
    (folder / "mode").write_bytes(b"automate")
    assert replica(later, folder).state.mode == "automate"


def test_a_mode_that_cannot_be_stored_is_shadow_after_a_restart(
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
    assert "no space" in follower.state.memory_error
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
    assert (follower.state.memory_error, (folder / "mode").stat().st_size) == ("", size)
    assert (replica(later, folder).state.mode, replica(later, folder).state.source) == (
        "shadow",
        "replica",
    )


def test_the_memory_fits_its_size_with_the_longest_reason(later: str, folder: Path) -> None:
    state = replica(later, folder, "automate").state
    size = (folder / "mode").stat().st_size if (folder / "mode").exists() else 16_384
    for mode in ("automate", "assist", "shadow"):
        state.step_down(mode, "\x01" * 128, "\x01" * 400 + "\U0001f600" * 100)
    assert (folder / "mode").stat().st_size == size
    assert len(json.loads((folder / "mode").read_text())["unsaved"]) == 3
