from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pytest
from numpy.typing import NDArray
from seams import PARCELS, binary, parcels
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from {{cookiecutter.package_name}}.bundle.runtime import Runtime
from {{cookiecutter.package_name}}.contract.terms import Columns
from {{cookiecutter.package_name}}.pipeline.export import ExportFailed, export, parity, runtime_of
from {{cookiecutter.package_name}}.pipeline.rows import collect
from {{cookiecutter.package_name}}.pipeline.train import fit

ROWS = collect(ibis.memtable(parcels(800)), PARCELS)
KNOWN = ROWS.take(np.flatnonzero(~np.isnan(ROWS.columns["distance"]) & (ROWS.columns["city"] != "tromso")))


class HomeMade(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, matrix: Any, y: Any) -> "HomeMade":
        return self


class Careless:
    """An export that forgets some rows."""

    def __init__(self, inner: Runtime, field: str) -> None:
        self.inner, self.field = inner, field

    def score(self, columns: Columns) -> NDArray[np.float64]:
        values = columns[self.field]
        lost = ~np.isin(values, ["bergen", "oslo"]) if values.dtype == object else np.isnan(values)
        return np.where(lost, 0, self.inner.score(columns))


@pytest.fixture(scope="module")
def fitted() -> tuple[Any, Runtime]:
    estimator = fit(binary, ROWS)
    return estimator, runtime_of(binary, export(binary, estimator))


def test_the_export_says_what_the_estimator_says(fitted: tuple[Any, Runtime]) -> None:
    found = parity(binary, *fitted, ROWS)
    assert found.max_difference < 1e-6
    assert found.rows > len(ROWS)


@pytest.mark.parametrize("field", ["distance", "city"])
def test_parity_looks_at_missing_and_unknown_values_even_when_the_rows_hold_none(
    fitted: tuple[Any, Runtime], field: str
) -> None:
    estimator, exported = fitted
    assert parity(binary, estimator, Careless(exported, field), KNOWN).max_difference > 0.01


def test_an_estimator_without_an_onnx_form_is_told_what_to_do() -> None:
    with pytest.raises(ExportFailed, match=r'HomeMade cannot be exported[\s\S]*RUNTIME = "python"'):
        export(binary, HomeMade())


def test_the_same_rows_give_the_same_bytes(fitted: tuple[Any, Runtime]) -> None:
    assert export(binary, fit(binary, ROWS)) == export(binary, fitted[0])


def test_a_pipeline_is_exported_whole() -> None:
    scaled = replace(binary, build_model=lambda fields: make_pipeline(StandardScaler(), binary.build_model(fields)))
    files = export(scaled, fit(scaled, ROWS))
    scores = runtime_of(scaled, files).score(ROWS.columns)
    assert ((scores > 0) & (scores < 1)).all()
