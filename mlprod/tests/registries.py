"""A registry, settings and records.

One registry for the session, since making its database takes seconds; a model name each.
"""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from mlprod.bundle.files import folder_digest
from mlprod.ops.migrate import migrate
from mlprod.settings import Settings
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry, Version


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose database holds no model yet; copy it."""
    folder = tmp_path_factory.mktemp("empty")
    Registry(Settings(state_dir=folder, tracking_uri="", model_name="nothing"))
    return folder


@pytest.fixture(scope="session")
def state(empty_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    shutil.copy(empty_state / "mlflow.db", folder)
    return folder


@pytest.fixture(scope="session")
def empty_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of records in which nothing happened yet; copy it."""
    path = tmp_path_factory.mktemp("empty-records") / "records.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def new_settings(
    state: Path, governance: Path, empty_records: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Settings]:
    def make() -> Settings:
        records = shutil.copy(empty_records, tmp_path_factory.mktemp("records"))
        return Settings(
            state_dir=state,
            governance_dir=governance,
            tracking_uri="",
            model_name=f"model-{uuid.uuid4().hex[:8]}",
            model_dir=tmp_path_factory.mktemp("models"),
            database_url=f"sqlite:///{records}",
            event_log_dir=tmp_path_factory.mktemp("spool"),
            poll_seconds=0.05,
            new_series_seconds=1e-9,  # shown at 0 once  # nothing is held back
            max_queue_seconds=5,  # a machine that is busy with something else must not fail a test
        )

    return make


@pytest.fixture
def settings(new_settings: Callable[[], Settings]) -> Settings:
    return new_settings()


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings)


class Registered(Protocol):
    def __call__(self, digest: str, compared_with: str = "") -> Version: ...


@pytest.fixture
def register(registry: Registry) -> Registered:
    """Register a version without a bundle, for what only moves names."""

    run = registry.log_run({}, {}, {}, None)

    def make(digest: str, compared_with: str = "") -> Version:
        return registry.register(run, digest, {"kind": "model", "compared_with": compared_with})

    return make


def release(registry: Registry, bundle: Path, kind: str = "model") -> Version:
    """Register a bundle that is there already, and make it champion."""
    version = registry.register(
        registry.log_run({}, {}, {}, bundle), folder_digest(bundle), {"kind": kind}
    )
    promote(registry, "you", "a test", version.number)
    return version
