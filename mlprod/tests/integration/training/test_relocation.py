"""The embedded registry works in a folder that was moved or copied."""

import shutil
from pathlib import Path

import pytest

from mlprod.bundle.manifest import folder_digest
from mlprod.settings import Settings
from mlprod.training.registry import Registry, Version


@pytest.fixture
def before(empty_state: Path, model: Path, tmp_path: Path) -> tuple[Settings, Version]:
    """Return the settings of a state folder with its own registry, and the version in it."""
    state = tmp_path / "a folder" / "var"
    state.mkdir(parents=True)
    shutil.copy(empty_state / "mlflow.db", state)
    settings = Settings(state_dir=state, tracking_uri="", model_name="parcels")
    registry = Registry(settings)
    return settings, registry.register(
        registry.log_run({}, {}, {}, model), folder_digest(model), {"kind": "model"}
    )


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_bundle_is_delivered_from_the_current_folder(
    how: str, before: tuple[Settings, Version], model: Path, tmp_path: Path
) -> None:
    settings, version = before
    now = settings.model_copy(update={"state_dir": tmp_path / "100 % größer" / "var"})
    shutil.copytree(settings.state_dir, now.state_dir)
    if how == "moved":
        shutil.rmtree(settings.state_dir)
    registry = Registry(now)
    assert folder_digest(registry.download(version, tmp_path / "delivered")) == version.digest
    count = len(list(settings.state_dir.rglob("*"))) if how == "copied" else 0
    again = registry.log_run({}, {}, {}, model)
    assert len(list((now.state_dir / "artifacts").iterdir())) == 2
    assert again != version.run
    assert len(list(settings.state_dir.rglob("*"))) == count, (
        "a copy does not change the original folder"
    )


def test_database_without_its_files_refers_to_the_original_folder(
    before: tuple[Settings, Version], tmp_path: Path
) -> None:
    settings, version = before
    now = settings.model_copy(update={"state_dir": tmp_path / "elsewhere"})
    now.state_dir.mkdir()
    shutil.copy(settings.state_dir / "mlflow.db", now.state_dir)
    delivered = Registry(now).download(version, tmp_path / "delivered")
    assert folder_digest(delivered) == version.digest
