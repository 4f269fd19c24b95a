from dataclasses import replace

import pytest
from seams import binary, regression, text
from sklearn.cluster import KMeans

from {{cookiecutter.package_name}}.contract.terms import ContractError


def test_the_estimator_tells_the_task() -> None:
    assert [seam.task() for seam in (binary, regression, text)] == ["binary", "regression", "binary"]


def test_an_estimator_of_neither_task_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match="KMeans, neither a scikit-learn classifier nor regressor"):
        replace(binary, build_model=lambda fields: KMeans()).task()
