"""LightGBM, XGBoost and CatBoost go from a training to an ONNX bundle that a service answers with.

The environment of the library has all three: requirements/boosters.txt of the template.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import point, serve, silent
from seams import PARCEL, PARCELS, binary, multiclass, regression
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlprod.bundle.loader import open_bundle
from mlprod.bundle.runtime import OnnxRuntime
from mlprod.contract.encoding import sample_columns
from mlprod.contract.schema import Fields
from mlprod.project.project import Seam
from mlprod.settings import Settings
from mlprod.training.dataset import Dataset, collect
from mlprod.training.export import export, predict, runtime_of
from mlprod.training.fit import fit
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry

BOOSTERS = ("lightgbm", "xgboost", "catboost")
TOLERANCE = 1e-5


def booster(package: str, task: str) -> Any:
    """A small booster; skips the test if its package is missing."""
    module = pytest.importorskip(package, reason=f"the package {package} is not installed")
    kind = "Regressor" if task == "regression" else "Classifier"
    if package == "lightgbm":
        return getattr(module, f"LGBM{kind}")(n_estimators=30, verbose=-1, random_state=0)
    if package == "xgboost":
        return getattr(module, f"XGB{kind}")(n_estimators=30, n_jobs=1, random_state=0)
    return getattr(module, f"CatBoost{kind}")(
        iterations=30, verbose=0, allow_writing_files=False, thread_count=1, random_seed=0
    )


def encoded(package: str) -> Callable[[Fields], Any]:
    """A design with one-hot categories, chosen by column names."""

    def build_model(fields: Fields) -> Any:
        names = ["courier", "city"]
        codes = [fields.codes(fields.names.index(name)) for name in names]
        hot = OneHotEncoder(categories=codes, handle_unknown="ignore", sparse_output=False)
        columns = ColumnTransformer([("hot", hot, names)], remainder="passthrough")
        return make_pipeline(columns, booster(package, "binary"))

    return build_model


def largest_difference(seam: Seam, rows: Dataset) -> float:
    """The largest difference of estimator and export on rows with missing and unknown values."""
    estimator = fit(seam, rows)
    exported = runtime_of(seam, export(seam, estimator))
    columns = sample_columns(seam.terms.fields, 20_000, seed=7)
    assert any(np.isnan(values).any() for values in columns.values() if values.dtype != object)
    own = predict(seam, estimator, columns)
    scale = max(1.0, float(np.abs(own).max()))
    return float(np.abs(own - exported.score(columns)).max()) / scale


@pytest.mark.parametrize("package", BOOSTERS)
def test_booster_is_trained_registered_and_served(
    package: str, settings: Settings, tmp_path: Path
) -> None:
    seam = replace(binary, build_model=encoded(package))
    result = train_with_governance(seam, settings, silent)
    bundle = Registry(settings).download(result.version, tmp_path)
    bundle = bundle.rename(tmp_path / result.version.digest)
    assert isinstance(open_bundle(bundle, PARCELS.fields, seam.baseline).runtime, OnnxRuntime)
    assert {verdict.gate.id for verdict in result.verdicts if verdict.passed} >= {
        "beats-baseline",
        "exact-export",
    }
    point(settings.models, bundle, 1)
    rows = [PARCEL, PARCEL | {"distance": None, "city": "tromso", "stops": 3}]
    with serve(seam, settings) as client:
        response = client.post("/v1/predict", json={"rows": rows})
    assert response.status_code == 200
    scores = [prediction["score"] for prediction in response.json()["predictions"]]
    assert all(0 < score < 1 for score in scores)
    assert scores[0] > scores[1]


@pytest.mark.parametrize("seam", [binary, regression, multiclass], ids=lambda seam: seam.task())
@pytest.mark.parametrize("package", BOOSTERS)
def test_export_gives_the_scores_of_the_booster_also_for_missing_values(
    package: str, seam: Seam
) -> None:
    task = seam.task()
    seam = replace(seam, build_model=lambda fields: booster(package, task))
    rows = collect(seam.load(), seam.terms)
    assert largest_difference(seam, rows) < TOLERANCE


@pytest.mark.parametrize("package", BOOSTERS)
def test_missing_values_that_the_training_rows_did_not_have_are_scored_alike(package: str) -> None:
    seam = replace(binary, build_model=lambda fields: booster(package, "binary"))
    rows = collect(seam.load(), PARCELS)
    complete = rows.subset(np.flatnonzero(~np.isnan(rows.columns["distance"])))
    assert largest_difference(seam, complete) < TOLERANCE


@pytest.mark.parametrize("package", BOOSTERS)
def test_same_rows_give_the_same_bytes_of_a_booster(package: str) -> None:
    seam = replace(binary, build_model=encoded(package))
    rows = collect(seam.load(), PARCELS)
    assert export(seam, fit(seam, rows)) == export(seam, fit(seam, rows))


def test_a_value_beside_a_threshold_takes_the_same_branch_in_the_export() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="the package lightgbm is not installed")
    # Neighbors in float32. The threshold is between them, and a half of them is nearer to the next.
    neighbors = [np.float32(20)]
    for _ in range(63):
        neighbors.append(np.nextafter(neighbors[-1], np.float32(30)))
    rows = collect(binary.load(), PARCELS)
    places = np.arange(len(rows)) % len(neighbors)
    weights = np.asarray(neighbors, dtype=np.float64)[places]
    rows = replace(rows, columns={**rows.columns, "weight": weights}, y=(places % 2).astype(float))
    seam = replace(
        binary,
        build_model=lambda fields: lightgbm.LGBMClassifier(
            n_estimators=5, min_child_samples=1, num_leaves=64, max_bin=1_000, verbose=-1
        ),
    )
    estimator = fit(seam, rows)
    exported = runtime_of(seam, export(seam, estimator))
    own = predict(seam, estimator, rows.columns)
    assert own.std() > 0.1
    assert np.abs(own - exported.score(rows.columns)).max() < TOLERANCE
