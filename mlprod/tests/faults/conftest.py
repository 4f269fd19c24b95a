"""What the tests of faults share: a trained model of the project, a folder that serves it, and databases."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import OWNERSHIP, point, silent, waive
from fixture_project import PACKAGE

from mlprod.ops.migrate import migrate
from mlprod.project import Project
from mlprod.settings import Settings
from mlprod.training.registry import Registry
from mlprod.training.train import train

from .harm import Postgres, postgres_programs

ANY_MODEL = """gates:
  - {id: any, metric: value, compare: baseline, op: ">=", threshold: -1.0e+30, on: value, why: not what is tested here}
"""


@pytest.fixture(scope="session")
def models(new_settings: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MODEL_DIR with a model of the project's own domain, whatever it is worth."""
    governance = tmp_path_factory.mktemp("any-model")
    (governance / "gates.yaml").write_text(ANY_MODEL)
    (governance / "ownership.yaml").write_text(OWNERSHIP)
    settings = new_settings().model_copy(update={"governance": governance})
    waive(settings)
    outcome = train(Project(PACKAGE).seam(), settings, silent)
    bundle = Registry(settings).download(outcome.version, tmp_path_factory.mktemp("bundle"))
    point(settings.models, bundle.rename(bundle.with_name(outcome.version.digest)), 1)
    return settings.models


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    programs = postgres_programs()
    if not programs:
        pytest.skip("PostgreSQL's programs are not installed (initdb, pg_ctl)")
    found = Postgres(programs)
    try:
        found.start()
        yield found
    finally:
        found.remove()


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
