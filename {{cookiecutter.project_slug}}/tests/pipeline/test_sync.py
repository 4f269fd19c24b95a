import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from conftest import eventually, release

from {{cookiecutter.package_name}}.pipeline.promotion import rollback
from {{cookiecutter.package_name}}.pipeline.registry import CHAMPION, Registry, RegistryError, Version
from {{cookiecutter.package_name}}.pipeline.sync import KEEP, follow, sync
from {{cookiecutter.package_name}}.settings import Settings


@pytest.fixture
def models(settings: Settings) -> Path:
    return settings.models


def released(registry: Registry, folder: Path, name: str) -> Version:
    """A bundle of one file, registered and made champion."""
    (folder / name).mkdir()
    (folder / name / "card.md").write_text(name)
    return release(registry, folder / name)


def pointer(models: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((models / "champion.json").read_text())
    return found


def test_the_champion_arrives_whole_and_is_then_pointed_at(registry: Registry, models: Path, tmp_path: Path) -> None:
    champion = released(registry, tmp_path, "a")
    assert sync(registry, models) == champion.digest
    assert pointer(models) == {"digest": champion.digest, "version": 1, "previous": []}
    assert (models / "versions" / champion.digest / "card.md").read_text() == "a"
    assert sorted(path.name for path in models.iterdir()) == ["champion.json", "versions"]


def test_a_second_look_changes_nothing(registry: Registry, models: Path, tmp_path: Path) -> None:
    released(registry, tmp_path, "a")
    sync(registry, models)
    before = (models / "champion.json").stat()
    assert sync(registry, models) is None
    assert (models / "champion.json").stat().st_mtime_ns == before.st_mtime_ns


def test_without_a_champion_nothing_comes(registry: Registry, models: Path) -> None:
    assert sync(registry, models) is None
    assert list(models.iterdir()) == []


def test_a_rollback_arrives_and_names_what_it_replaced(registry: Registry, models: Path, tmp_path: Path) -> None:
    digests = []
    for name in "ab":
        digests.append(released(registry, tmp_path, name).digest)
        sync(registry, models)
    rollback(registry, "you", "complaints")
    sync(registry, models)
    last = {"digest": digests[1], "version": 2}
    assert pointer(models) == {"digest": digests[0], "version": 1, "previous": [last]}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_what_is_not_what_was_registered_leaves_all_as_it_was(
    registry: Registry, models: Path, tmp_path: Path, damage: str
) -> None:
    released(registry, tmp_path, "a")
    sync(registry, models)
    before = pointer(models)
    run = released(registry, tmp_path, "b").run
    assert registry.local_artifacts
    (stored,) = (registry.local_artifacts / run).rglob("card.md")
    stored.write_text("c") if damage == "changed" else shutil.rmtree(stored.parent)
    with pytest.raises(RegistryError, match="refused" if damage == "changed" else "cannot be fetched"):
        sync(registry, models)
    assert pointer(models) == before
    assert [path.name for path in (models / "versions").iterdir()] == [before["digest"]]
    assert sorted(path.name for path in models.iterdir()) == ["champion.json", "versions"]


def test_old_bundles_are_removed_but_never_one_that_may_answer(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    used = [released(registry, tmp_path, "a").digest]
    sync(registry, models)
    os.utime(models / "versions" / used[0], (0, 0))
    for number in range(KEEP + 3):
        (models / "versions" / f"other{number}").mkdir()
        os.utime(models / "versions" / f"other{number}", (10**10 + number, 10**10 + number))
    used.append(released(registry, tmp_path, "b").digest)
    sync(registry, models)
    left = {path.name for path in (models / "versions").iterdir()}
    assert left == set(used)


def test_a_damaged_pointer_is_written_anew(registry: Registry, models: Path, tmp_path: Path) -> None:
    champion = released(registry, tmp_path, "a")
    sync(registry, models)
    (models / "champion.json").write_text("")
    assert sync(registry, models) == champion.digest
    assert pointer(models)["version"] == 1


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_bundle_that_was_damaged_here_is_fetched_again(
    registry: Registry, models: Path, tmp_path: Path, damage: str
) -> None:
    champion = released(registry, tmp_path, "a")
    sync(registry, models)
    kept = models / "versions" / champion.digest
    (kept / "card.md").write_text("b") if damage == "changed" else shutil.rmtree(kept)
    assert sync(registry, models) == champion.digest
    assert (kept / "card.md").read_text() == "a"


def test_a_follower_brings_every_promotion_and_rollback(
    settings: Settings, registry: Registry, models: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    follower = threading.Thread(target=follow, args=(settings, stop))
    follower.start()
    try:
        for name in "ab":
            digest = released(registry, tmp_path, name).digest
            eventually((models / "versions" / digest).exists)
        eventually(lambda: pointer(models)["version"] == 2)
        rollback(registry, "you", "complaints")
        eventually(lambda: pointer(models)["version"] == 1)
    finally:
        stop.set()
        follower.join(10)
    assert not follower.is_alive()


def test_a_follower_outlives_what_it_cannot_bring(
    settings: Settings, registry: Registry, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = registry.register(registry.log_run({}, {}, {}, None), "f" * 64, {})
    registry.point(CHAMPION, broken)
    stop, said = threading.Event(), ""

    def has_complained() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "cannot be fetched" in said

    follower = threading.Thread(target=follow, args=(settings, stop))
    follower.start()
    try:
        eventually(has_complained)
        good = released(registry, tmp_path, "a")
        eventually(lambda: pointer(models)["version"] == good.number)
    finally:
        stop.set()
        follower.join(10)
    assert said.count("cannot be fetched") == 1
