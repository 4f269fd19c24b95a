"""A model and a baseline of the parcels from the whole pipeline, and copies of the bundles."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from seams import binary

from mlprod.bundle.files import bundle_digest, sha256
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry
from mlprod.training.training_result import TrainingResult


def silent(line: str) -> None:
    """For steps that report progress."""


@dataclass(frozen=True)
class Trained:
    settings: Settings
    result: TrainingResult
    bundle: Path  # a folder named by its digest


@pytest.fixture(scope="session")
def trained(
    new_settings: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A model, through the whole pipeline. Do not change its registry or its bundle: copy."""
    return _trained(new_settings(), tmp_path_factory.mktemp("model"), "model")


@pytest.fixture(scope="session")
def trained_baseline(
    new_settings: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    return _trained(new_settings(), tmp_path_factory.mktemp("baseline"), "baseline")


def _trained(settings: Settings, folder: Path, kind: str) -> Trained:
    result = train_with_governance(binary, settings, silent, kind=kind)
    bundle = Registry(settings).download(result.version, folder)
    return Trained(settings, result, bundle.rename(folder / result.version.digest))


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the model's bundle."""
    return Path(shutil.copytree(trained.bundle, tmp_path / "model" / trained.bundle.name))


@pytest.fixture
def baseline(trained_baseline: Trained, tmp_path: Path) -> Path:
    """A copy of the baseline's bundle."""
    return Path(
        shutil.copytree(
            trained_baseline.bundle, tmp_path / "baseline" / trained_baseline.bundle.name
        )
    )


def sealed(folder: Path, model: bytes = b"", **changes: bytes) -> Path:
    """The bundle with other files, and with a manifest and a name that agree with them: made so,
    not damaged.
    """
    content = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }
    content |= {f"{name}.json": data for name, data in changes.items()}
    content |= {"model.onnx": model} if model else {}
    manifest = json.loads(content["manifest.json"])
    manifest["files"] = {
        name: sha256(data) for name, data in content.items() if name != "manifest.json"
    }
    content["manifest.json"] = json.dumps(manifest).encode()
    target = folder.parent / bundle_digest(content)
    target.mkdir()
    for name, data in content.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return target
