"""What the tests of faults share: a trained model of the project, a folder that serves it, and
databases.
"""

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
    "faults: hurts the running service",
    "soak: of these the one that lasts as long as SOAK_MINUTES says",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> None:
    """A developer's own settings must not reach the tests."""
    for name in [
        name for name in os.environ if name.startswith("ML_") or name == "MLFLOW_TRACKING_URI"
    ]:
        del os.environ[name]
    bypass_proxies()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MODEL_DIR with a model of the project's own four files, whatever it is worth."""
    settings = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        tracking_uri="",
        model_name="hurt",
        model_dir=tmp_path_factory.mktemp("models"),
    )
    outcome = train(Project(PACKAGE).seam(), settings, lambda _: None)
    bundle = Registry(settings).download(outcome.version, tmp_path_factory.mktemp("bundle"))
    point(settings.models, bundle.rename(bundle.with_name(outcome.version.digest)), 1)
    return settings.models


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    programs = postgres_programs()
    if not programs:
        pytest.skip("PostgreSQL's programs are not installed (initdb, pg_ctl)")
    result = Postgres(programs)
    try:
        result.start()
        yield result
    finally:
        result.remove()


@pytest.fixture
def postgresql(server: Postgres) -> str:
    """The URL of a database of records in which nothing happened yet."""
    url = server.database()
    migrate(url)
    return url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    migrate(url)
    return url
