import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from seams import binary, regression, text
from sklearn.cluster import KMeans

from mlprod.contract.schema import ContractError
from mlprod.project.folder import root_of
from mlprod.project.project import Project
from mlprod.settings import Settings


def test_the_task_follows_from_the_estimator() -> None:
    assert [seam.task() for seam in (binary, regression, text)] == [
        "binary",
        "regression",
        "binary",
    ]


def test_an_estimator_of_neither_task_is_refused_by_name() -> None:
    with pytest.raises(
        ContractError, match="KMeans, neither a scikit-learn classifier nor regressor"
    ):
        replace(binary, build_model=lambda fields: KMeans()).task()


@pytest.mark.parametrize(
    ("given", "what_works"),
    [
        (KMeans, "the class KMeans; works: return an object of the class: KMeans()"),
        (None, "returned None, which has no fit(); works: return an estimator"),
        ("logistic", "returned 'logistic', which has no fit()"),
    ],
)
def test_an_object_that_is_not_an_estimator_is_refused_with_what_works(
    given: object, what_works: str
) -> None:
    with pytest.raises(ContractError, match=re.escape(what_works)):
        replace(binary, build_model=lambda fields: given).task()


def test_a_task_that_does_not_exist_is_refused() -> None:
    class Ranker:
        task = "ranking"

        def fit(self, columns: object, y: object) -> None: ...

    with pytest.raises(
        ContractError, match='task of Ranker is \'ranking\'; works: "binary" or "regression"'
    ):
        replace(text, build_model=lambda fields: Ranker()).task()


def test_the_root_is_the_folder_of_pyproject_above_src(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert root_of(tmp_path / "src" / "parcels") == tmp_path


@pytest.mark.parametrize(
    "code", ["src/parcels", ".venv/lib/python3.13/site-packages/parcels", "parcels"]
)
def test_without_a_pyproject_above_src_the_root_is_the_working_folder(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one: an image of the service, which has /app/src alone, or an installed package."""
    if "site-packages" in code:
        # The pyproject.toml of the project that has the environment.
        (tmp_path / "pyproject.toml").touch()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert root_of(tmp_path / code) == work


def test_relative_paths_of_settings_start_at_the_project_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "project" / "src" / "far_away"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "project" / "pyproject.toml").touch()
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ML_KEYS_FILE", "keys.json")
    monkeypatch.setenv("ML_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("ML_DATABASE_URL", "sqlite:///var/mine.db?timeout=5")
    settings, root = Project("far_away").settings(), tmp_path / "project"
    assert (settings.state_dir, settings.governance_dir) == (root / "var", root / "governance")
    assert (settings.keys_file, settings.models) == (root / "keys.json", tmp_path / "models")
    assert settings.records_url == f"sqlite:///{root}/var/mine.db?timeout=5"
    assert settings.model_name == "far-away"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:////data/records.db",
        "sqlite:///C:/records.db",
        "postgresql://user@host/database",
    ],
)
def test_an_address_without_a_relative_path_does_not_change(url: str, tmp_path: Path) -> None:
    assert Settings(database_url=url).in_folder(tmp_path).database_url == url
