from pathlib import Path

import pytest
from fixture_project import PACKAGE
from pydantic import ValidationError

from mlprod.project.project import Project
from mlprod.records.database import engine_of
from mlprod.settings import Settings


def test_without_an_environment_everything_is_local() -> None:
    settings = Project(PACKAGE).settings()
    assert settings.tracking_uri == ""
    assert settings.models == Path("var/models")
    assert settings.model_name == PACKAGE.replace("_", "-")


@pytest.mark.parametrize("name", ["ML_TRACKING_URI", "MLFLOW_TRACKING_URI"])
def test_a_server_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:5000")
    assert Settings().tracking_uri == "http://127.0.0.1:5000"


@pytest.mark.parametrize("name", ["ML_TRACKING_URI", "MLFLOW_TRACKING_URI", "tracking_uri"])
def test_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:5000")
    assert Settings(tracking_uri="").tracking_uri == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("ML_PORT", "70000"), ("ML_PORT", "web"), ("ML_MODE", "auto"), ("ML_POLL_SECONDS", "0")],
)
def test_an_invalid_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("ML_").lower()):
        Settings()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///records.db",
        "postgresql://me@host/db",
        "postgresql://me:word@h1,h2:5433/db?target_session_attrs=primary",
        "postgresql://me:a%40b@[::1]:5433,[::2]/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgres+psycopg://h1,h2:6432",
    ],
)
def test_an_accepted_database_address_is_readable_for_the_engine(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ML_DATABASE_URL", url)
    engine_of(Settings().records_url).dispose()
