"""REFIT of model.py, and upcoming() of data.py: how a project names them."""

import re
from pathlib import Path

import pytest
from own_project import Extend
from own_project import extend as extend

from mlprod import Project
from mlprod.batch.selection import load_scoring_functions
from mlprod.contract.schema import ContractError


def package_with(extend: Extend, folder: Path, **texts: str) -> Project:
    """A copy of the fixture project whose modules end with these texts."""
    project = Project(extend(""))
    for name, text in texts.items():
        with (folder / "src" / project.package / f"{name}.py").open("a") as file:
            file.write(f"\n{text}\n")
    return project


def test_refit_is_off_unless_model_py_says_all(extend: Extend, tmp_path: Path) -> None:
    assert not package_with(extend, tmp_path).seam().refit
    assert not package_with(extend, tmp_path, model="REFIT = None").seam().refit
    assert package_with(extend, tmp_path, model='REFIT = "all"').seam().refit


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        ({"model": 'REFIT = "test"'}, "model.py: REFIT: given 'test'; works: \"all\", or None"),
        ({"model": "REFIT = True"}, "model.py: REFIT: given True; works"),
        (
            {"model": 'REFIT = "all"', "contract": "EVENT_TIME = None"},
            'model.py: REFIT = "all" needs an EVENT_TIME in contract.py',
        ),
    ],
)
def test_refit_that_cannot_be_done_is_refused_with_what_works(
    extend: Extend, tmp_path: Path, texts: dict[str, str], error: str
) -> None:
    with pytest.raises(ContractError, match=re.escape(error)):
        package_with(extend, tmp_path, **texts).seam()


def test_upcoming_of_data_py_is_optional(extend: Extend, tmp_path: Path) -> None:
    assert load_scoring_functions(package_with(extend, tmp_path)).upcoming is None
    text = "def upcoming(since, until):\n    return load(since, until)"
    assert load_scoring_functions(package_with(extend, tmp_path, data=text)).upcoming
