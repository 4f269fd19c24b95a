import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlprod.bundle.manifest import bundle_digest
from mlprod.bundle.writer import canonical, write_bundle

MANIFEST: dict[str, Any] = {
    "kind": "baseline",
    "task": "binary",
    "runtime": "python",
    "inputs": (),
    "threshold": 0.5,
    "digests": {},
    "data": {"since": None, "until": None, "rows": 1, "units": 1},
    "metrics": {},
    "slices": (),
    "baseline": {},
    "parity": None,
    "accountable": "TODO",
}
FILES = {"card.md": b"# A card\n", "model/model.pkl": b"\x00\x01"}


def test_the_folder_is_named_by_the_digest_of_its_files(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, MANIFEST, FILES)
    there = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert set(there) == {*FILES, "manifest.json"}
    assert folder.name == bundle_digest(there)


def test_the_order_of_equal_content_does_not_change_the_folder(tmp_path: Path) -> None:
    again = dict(reversed(MANIFEST.items()))
    assert write_bundle(tmp_path, MANIFEST, FILES) == write_bundle(
        tmp_path, again, dict(reversed(FILES.items()))
    )
    assert len(list(tmp_path.iterdir())) == 1


def test_another_threshold_gives_another_digest(tmp_path: Path) -> None:
    other = write_bundle(tmp_path, MANIFEST | {"threshold": 0.6}, FILES)
    assert other != write_bundle(tmp_path, MANIFEST, FILES)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700)])
def test_the_umask_decides_who_can_read_a_bundle(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        folder = write_bundle(tmp_path, MANIFEST, FILES)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == mode
    assert (folder / "card.md").stat().st_mode & 0o777 == mode & 0o666


@pytest.mark.parametrize("stone", ["a/b", "a"])
def test_a_bundle_that_cannot_be_written_completely_is_not_written(
    tmp_path: Path, stone: str
) -> None:
    files = {"a": b"a file", stone + "/c": b"below it"}
    with pytest.raises(OSError, match="a"):
        write_bundle(tmp_path / "bundles", MANIFEST, files)
    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_manifest_with_an_unknown_key_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValidationError, match="color"):
        write_bundle(tmp_path / "bundles", MANIFEST | {"color": "red"}, FILES)
    assert not (tmp_path / "bundles").exists()


def test_nan_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical({"value": float("nan")})
