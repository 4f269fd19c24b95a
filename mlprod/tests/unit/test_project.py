import re
from dataclasses import replace

import pytest
from seams import binary, regression, text
from sklearn.cluster import KMeans

from mlprod.contract.schema import ContractError


def test_the_estimator_tells_the_task() -> None:
    assert [seam.task() for seam in (binary, regression, text)] == ["binary", "regression", "binary"]


def test_an_estimator_of_neither_task_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match="KMeans, neither a scikit-learn classifier nor regressor"):
        replace(binary, build_model=lambda fields: KMeans()).task()


@pytest.mark.parametrize(
    ("given", "what_works"),
    [
        (KMeans, "the class KMeans; it must give an object of it: KMeans()"),
        (None, "gave None, which has no fit(); it must return an estimator"),
        ("logistic", "gave 'logistic', which has no fit()"),
    ],
)
def test_what_is_no_estimator_is_refused_with_what_works(given: object, what_works: str) -> None:
    with pytest.raises(ContractError, match=re.escape(what_works)):
        replace(binary, build_model=lambda fields: given).task()


def test_a_task_that_does_not_exist_is_refused() -> None:
    class Ranker:
        task = "ranking"

        def fit(self, columns: object, y: object) -> None: ...

    with pytest.raises(ContractError, match='task of Ranker is \'ranking\'; it must be "binary" or "regression"'):
        replace(text, build_model=lambda fields: Ranker()).task()
