"""Fixtures of the fault tests: a trained model of the project, its MODEL_DIR, and databases."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...loopback import bypass_proxies
from ...ops.migrate import migrate
from ...project.project import Project
from ...settings import Settings
from ...training.registry import Registry
from ...training.train import train
from ..waiting import point
from .bodies import PACKAGE
from .postgres_server import Postgres, postgres_programs

MARKERS = (
    "faults: injects faults into a running service",
    "soak: the load test, which lasts SOAK_MINUTES",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> None:
    """Remove a developer's own settings from the environment."""
    for name in [
        name for name in os.environ if name.startswith("ML_") or name == "MLFLOW_TRACKING_URI"
    ]:
        del os.environ[name]
    bypass_proxies()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a MODEL_DIR with a model of the project's four files, whatever its quality."""
    settings = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        tracking_uri="",
        model_name="faults",
        model_dir=tmp_path_factory.mktemp("models"),
    )
    outcome = train(Project(PACKAGE).seam(), settings, lambda _: None)
    bundle = Registry(settings).download(outcome.version, tmp_path_factory.mktemp("bundle"))
    point(settings.models, bundle.rename(bundle.with_name(outcome.version.digest)), 1)
    return settings.models


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """Start a PostgreSQL server for the tests."""
    programs = postgres_programs()
    if not programs:
        pytest.skip(
            "PostgreSQL's programs initdb and pg_ctl are not installed; works: install postgresql"
        )
    result = Postgres(programs)
    try:
        result.start()
        yield result
    finally:
        result.remove()


@pytest.fixture
def postgresql(server: Postgres) -> str:
    """Return the URL of a migrated, empty database of records."""
    url = server.database()
    migrate(url)
    return url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    migrate(url)
    return url
