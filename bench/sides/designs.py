"""Print the difference between exported model and estimator for one design of the model."""

import dataclasses
import json
import sys
from typing import Any

import numpy as np
from mlprod.contract.encoding import sample_columns
from mlprod.contract.schema import Fields
from mlprod.project.project import Project
from mlprod.training.dataset import load_rows
from mlprod.training.export import ExportError, export, predict, runtime_of
from mlprod.training.fit import fit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

TREES: dict[str, Any] = {
    "max_iter": 120,
    "learning_rate": 0.06,
    "min_samples_leaf": 40,
    "random_state": 0,
}
TOLERANCE = 1e-5


def scaled(fields: Fields) -> Any:
    """Return the project's design with a scaler before the trees."""
    categories = [fields.codes(position) for position in fields.categorical]
    one_hot = OneHotEncoder(
        categories=categories, handle_unknown="ignore", sparse_output=False, dtype="float32"
    )
    columns = [
        ("categories", one_hot, fields.categorical),
        ("numbers", StandardScaler(), fields.numeric),
    ]
    return make_pipeline(ColumnTransformer(columns), HistGradientBoostingClassifier(**TREES))


def native(fields: Fields) -> Any:
    """Return a design with scikit-learn's categorical support on the codes."""
    return HistGradientBoostingClassifier(categorical_features=fields.categorical, **TREES)


def ordinal(fields: Fields) -> Any:
    """Return the design of scikit-learn's documentation: categorical support after an encoder."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer(
        [("categories", encoder, fields.categorical)], remainder="passthrough"
    )
    first = list(range(len(fields.categorical)))
    return make_pipeline(
        columns, HistGradientBoostingClassifier(categorical_features=first, **TREES)
    )


design, count = sys.argv[1], int(sys.argv[2])
seam = Project("baked").seam()
if design != "ours":
    seam = dataclasses.replace(
        seam, build_model={"scaled": scaled, "native": native, "ordinal": ordinal}[design]
    )
estimator = fit(seam, load_rows(seam)[1])
try:
    exported = runtime_of(seam, export(seam, estimator))
except ExportError as refusal:
    print(json.dumps({"refused": str(refusal.__cause__).strip().splitlines()[0]}))
else:
    made_up = sample_columns(seam.terms.fields, count, seed=3)
    difference = np.abs(predict(seam, estimator, made_up) - exported.score(made_up))
    print(
        json.dumps({"off": int((difference > TOLERANCE).sum()), "largest": float(difference.max())})
    )
