import os
import stat
from io import BytesIO
from pathlib import Path

import pytest

from mlprod.atomic_write import atomic_write


def test_write_replaces_the_content_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for content in (b"first, and longer", b"second", b""):
        atomic_write(path, content)
        assert (path.read_bytes(), [item.name for item in tmp_path.iterdir()]) == (
            content,
            ["state.json"],
        )


def test_an_open_file_is_copied_from_its_current_position(tmp_path: Path) -> None:
    source = BytesIO(b"read already, the rest")
    source.seek(len(b"read already, "))
    atomic_write(tmp_path / "copy", source)
    assert (tmp_path / "copy").read_bytes() == b"the rest"


class Broken(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise KeyboardInterrupt
        return super().read(4)


def test_an_interrupted_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    atomic_write(path, b"whole")
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, Broken(b"half written"))
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"whole", [path])


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "state.json"
    atomic_write(path, b"whole")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        atomic_write(path, b"half written")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"whole", [path])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(
    ("umask", "permissions", "expected"),
    [(0o022, None, 0o644), (0o077, None, 0o600), (0o077, 0o644, 0o644), (0o000, 0o600, 0o600)],
)
def test_permissions_are_those_given_or_those_of_the_umask(
    tmp_path: Path, umask: int, permissions: int | None, expected: int
) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "file", b"content", permissions)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected


def test_the_longest_name_of_a_file_system_can_be_written(tmp_path: Path) -> None:
    atomic_write(tmp_path / ("n" * 255), b"content")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"content"


def test_a_missing_folder_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "absent" / "file", b"content")
    assert list(tmp_path.iterdir()) == []
