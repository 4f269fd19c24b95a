import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from conftest import eventually, release

from mlprod.bundle.files import folder_digest
from mlprod.settings import Settings
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import CHAMPION, Registry, RegistryError, Version
from mlprod.training.sync import MAX_REMEMBERED, follow, sync


@pytest.fixture
def models(settings: Settings) -> Path:
    return settings.models


def released(registry: Registry, folder: Path, name: str) -> Version:
    """Register a bundle of one file, and make it champion."""
    (folder / name).mkdir()
    (folder / name / "card.md").write_text(name)
    return release(registry, folder / name)


def pointer(models: Path) -> dict[str, object]:
    result: dict[str, object] = json.loads((models / "champion.json").read_text())
    return result


def test_champion_is_fetched_completely_before_the_pointer_names_it(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    champion = released(registry, tmp_path, "a")
    assert sync(registry, models) == champion.digest
    since = registry.version(1).since
    assert since
    assert pointer(models) == {
        "digest": champion.digest,
        "version": 1,
        "previous": [],
        "since": since,
        "back": [],
    }
    assert (models / "versions" / champion.digest / "card.md").read_text() == "a"
    assert sorted(path.name for path in models.iterdir()) == ["champion.json", "versions"]


def test_second_sync_changes_nothing(registry: Registry, models: Path, tmp_path: Path) -> None:
    released(registry, tmp_path, "a")
    sync(registry, models)
    before = (models / "champion.json").stat()
    assert sync(registry, models) is None
    assert (models / "champion.json").stat().st_mtime_ns == before.st_mtime_ns


def test_sync_without_a_champion_fetches_nothing(registry: Registry, models: Path) -> None:
    assert sync(registry, models) is None
    assert list(models.iterdir()) == []


def test_sync_after_a_rollback_names_the_replaced_version(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    digests = []
    for name in "ab":
        digests.append(released(registry, tmp_path, name).digest)
        sync(registry, models)
    rollback(registry, "you", "complaints")
    sync(registry, models)
    last = {"digest": digests[1], "version": 2}
    since = registry.version(1).since
    assert since == registry.version(1).tags["rollback.at"]
    expected = {"digest": digests[0], "version": 1, "previous": [last], "since": since, "back": []}
    assert pointer(models) == expected, "a version that was left by a rollback is not a target"


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damaged_bundle_in_the_registry_changes_nothing(
    registry: Registry, models: Path, tmp_path: Path, damage: str
) -> None:
    released(registry, tmp_path, "a")
    sync(registry, models)
    before = pointer(models)
    run = released(registry, tmp_path, "b").run
    assert registry.local_artifacts
    (stored,) = (registry.local_artifacts / run).rglob("card.md")
    stored.write_text("c") if damage == "changed" else shutil.rmtree(stored.parent)
    with pytest.raises(
        RegistryError, match="refused" if damage == "changed" else "cannot be fetched"
    ):
        sync(registry, models)
    assert pointer(models) == before
    assert [path.name for path in (models / "versions").iterdir()] == [before["digest"]]
    assert sorted(path.name for path in models.iterdir()) == ["champion.json", "versions"]


def test_old_bundles_are_removed_except_those_that_may_serve(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    used = [released(registry, tmp_path, "a").digest]
    sync(registry, models)
    os.utime(models / "versions" / used[0], (0, 0))
    for number in range(MAX_REMEMBERED + 3):
        (models / "versions" / f"other{number}").mkdir()
        os.utime(models / "versions" / f"other{number}", (10**10 + number, 10**10 + number))
    used.append(released(registry, tmp_path, "b").digest)
    sync(registry, models)
    left = {path.name for path in (models / "versions").iterdir()}
    assert left == set(used)


def test_damaged_pointer_is_written_again(registry: Registry, models: Path, tmp_path: Path) -> None:
    champion = released(registry, tmp_path, "a")
    sync(registry, models)
    (models / "champion.json").write_text("")
    assert sync(registry, models) == champion.digest
    assert pointer(models)["version"] == 1


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damaged_bundle_in_model_dir_is_fetched_again(
    registry: Registry, models: Path, tmp_path: Path, damage: str
) -> None:
    champion = released(registry, tmp_path, "a")
    sync(registry, models)
    stored = models / "versions" / champion.digest
    (stored / "card.md").write_text("b") if damage == "changed" else shutil.rmtree(stored)
    assert sync(registry, models) == champion.digest
    assert (stored / "card.md").read_text() == "a"


def test_follower_fetches_every_promotion_and_rollback(
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


def test_follower_survives_a_bundle_that_it_cannot_fetch(
    settings: Settings,
    registry: Registry,
    models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = registry.register(registry.log_run({}, {}, {}, None), "f" * 64, {})
    registry.set_alias(CHAMPION, broken)
    stop, message = threading.Event(), ""

    def has_failed() -> bool:
        nonlocal message
        message += capsys.readouterr().out
        return "cannot be fetched" in message

    follower = threading.Thread(target=follow, args=(settings, stop))
    follower.start()
    try:
        eventually(has_failed)
        good = released(registry, tmp_path, "a")
        eventually(lambda: pointer(models)["version"] == good.number)
    finally:
        stop.set()
        follower.join(10)
    assert message.count("cannot be fetched") == 1


def test_champion_without_a_bundle_changes_nothing(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    """A person can create a version or edit its tag in MLflow's own pages.

    The tag must not lead to another folder.
    """
    released(registry, tmp_path, "a")
    sync(registry, models)
    before = pointer(models)
    for digest in ("", "../..", "a" * 63, "A" * 64):
        registry.tag(1, "bundle", digest)
        for verify in (True, False):
            with pytest.raises(RegistryError, match="version 1 names no bundle"):
                sync(registry, models, verify=verify)
    assert pointer(models) == before
    assert [path.name for path in (models / "versions").iterdir()] == [before["digest"]]


def test_bundle_above_the_size_limit_is_not_fetched(
    settings: Settings, registry: Registry, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "model.onnx").open("wb") as file:
        # A sparse file, which needs no disk space.
        file.truncate(2_000_000)
    # The bundle also contains a folder.
    released(registry, tmp_path / "a", "model")
    small = Registry(settings.model_copy(update={"model_megabytes": 1}))
    release(registry, tmp_path / "a")
    with pytest.raises(
        RegistryError,
        match=r"of version 2 has 2 MB of files; the limit is 1 MB \(ML_MODEL_MEGABYTES\)",
    ):
        sync(small, models)
    assert not (models / "versions").exists() or list((models / "versions").iterdir()) == []
    assert sync(registry, models)


def test_syncs_at_once_leave_one_complete_champion(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    """The follower and `make fetch-model` run while the champion is promoted."""
    models, failed = settings.models, []
    digests = [released(registry, tmp_path, name).digest for name in "ab"]

    def sync_repeatedly() -> None:
        own = Registry(settings)
        for _ in range(6):
            try:
                sync(own, models)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=sync_repeatedly) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in (1, 2, 1, 2):
        promote(registry, "you", "a test", number)
    for thread in threads:
        thread.join(120)
    sync(registry, models)
    assert failed == []
    assert pointer(models)["digest"] == digests[1]
    assert folder_digest(models / "versions" / digests[1]) == digests[1]


def test_bundle_with_a_link_instead_of_a_file_is_fetched_again(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    champion = released(registry, tmp_path, "a")
    sync(registry, models)
    card = models / "versions" / champion.digest / "card.md"
    card.rename(tmp_path / "card.md")
    card.symlink_to(tmp_path / "card.md")
    sync(registry, models)
    assert not card.is_symlink()
    assert card.read_text() == "a"
