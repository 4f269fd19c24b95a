from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_models import endless, foreign_models, reading_models
from seams import PARCELS, WordModel, binary, parcels, text
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from mlprod.bundle import trial
from mlprod.bundle.errors import BundleError
from mlprod.bundle.runtime import Runtime
from mlprod.contract.schema import Columns
from mlprod.training import export as exporting
from mlprod.training.dataset import collect
from mlprod.training.export import ExportError, export, measure_parity, runtime_of, try_export
from mlprod.training.fit import fit

ROWS = collect(ibis.memtable(parcels(800)), PARCELS)
KNOWN = ROWS.subset(
    np.flatnonzero(~np.isnan(ROWS.columns["distance"]) & (ROWS.columns["city"] != "tromso"))
)


class CustomClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, matrix: Any, y: Any) -> "CustomClassifier":
        return self

    def predict_proba(self, matrix: Any) -> NDArray[np.float64]:
        return np.full((len(matrix), 2), 0.5)


class FaultyExport:
    """An export that scores some rows with 0."""

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


def test_export_gives_the_scores_of_the_estimator(fitted: tuple[Any, Runtime]) -> None:
    result = measure_parity(binary, *fitted, ROWS)
    assert result.max_difference < 1e-6
    assert result.rows > len(ROWS)


@pytest.mark.parametrize("field", ["distance", "city"])
def test_parity_checks_missing_and_unknown_values_even_if_the_rows_have_none(
    fitted: tuple[Any, Runtime], field: str
) -> None:
    estimator, exported = fitted
    assert (
        measure_parity(binary, estimator, FaultyExport(exported, field), KNOWN).max_difference
        > 0.01
    )


@pytest.mark.parametrize("estimator", [RidgeClassifier(), LinearSVC(), SGDClassifier(), SVC()])
def test_classifier_without_probabilities_is_refused_with_its_name(estimator: Any) -> None:
    seam = replace(
        binary, build_model=lambda fields: make_pipeline(SimpleImputer(), clone(estimator))
    )
    name = type(estimator).__name__
    with pytest.raises(
        ExportError, match=f"^{name} has no predict_proba, .*CalibratedClassifierCV\\({name}"
    ):
        export(seam, fit(seam, ROWS.subset(np.arange(200))))


def test_export_that_onnx_runtime_cannot_run_is_refused_with_its_name() -> None:
    some = ROWS.subset(np.arange(60))
    many = replace(
        binary, build_model=lambda fields: make_pipeline(SimpleImputer(), KNeighborsClassifier(40))
    )
    estimator = fit(many, some)
    # More neighbors than the rows that it learned from.
    estimator[-1].n_neighbors = 10_000
    with pytest.raises(ExportError, match="Pipeline was exported, but ONNX Runtime cannot run it"):
        runtime_of(many, export(many, estimator))


def test_model_that_cannot_be_pickled_is_refused_with_its_name() -> None:
    model = WordModel()
    model.shares = lambda word: 0.5  # type: ignore[assignment]
    with pytest.raises(ExportError, match="WordModel cannot be pickled"):
        export(text, model)


def test_estimator_without_onnx_form_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        ExportError, match=r'CustomClassifier cannot be exported[\s\S]*RUNTIME = "python"'
    ):
        export(binary, CustomClassifier())


def test_export_that_the_service_does_not_load_is_refused_with_the_reason(
    fitted: tuple[Any, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    for made, says in (
        (foreign_models()["node"], "domain 'com.microsoft'"),
        (reading_models()["constant"], "external"),
    ):
        monkeypatch.setattr(exporting, "to_onnx", lambda *_, made=made, **__: made)
        with pytest.raises(
            ExportError, match=rf'the service does not load: .*{says}[\s\S]*RUNTIME = "python"'
        ):
            export(binary, fitted[0])


def test_model_above_the_memory_limit_is_refused_with_the_number_and_the_remedy(
    fitted: tuple[Any, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = export(binary, fitted[0])
    size, memory = try_export(binary, files, 128)
    assert 0 < size < memory < 128
    with pytest.raises(
        BundleError, match=r"MB of memory; the limit is 1 MB.*raise ML_MODEL_MEGABYTES"
    ) as refused:
        try_export(binary, files, 1)
    assert refused.value.reason == "size"
    with pytest.raises(BundleError, match="130 MB of files; the limit is 128 MB") as refused:
        try_export(binary, files | {"model.onnx": bytes(130_000_000)}, 128)
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    with pytest.raises(ExportError, match="does it ever end"):
        try_export(binary, {"model.onnx": endless()}, 128)


def test_same_rows_give_the_same_bytes(fitted: tuple[Any, Runtime]) -> None:
    assert export(binary, fit(binary, ROWS)) == export(binary, fitted[0])


def test_whole_pipeline_is_exported() -> None:
    scaled = replace(
        binary,
        build_model=lambda fields: make_pipeline(StandardScaler(), binary.build_model(fields)),
    )
    files = export(scaled, fit(scaled, ROWS))
    scores = runtime_of(scaled, files).score(ROWS.columns)
    assert ((scores > 0) & (scores < 1)).all()
