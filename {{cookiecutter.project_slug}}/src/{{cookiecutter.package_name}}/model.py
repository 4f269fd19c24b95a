"""The model. REPLACE `build_model` by any scikit-learn estimator that exports to ONNX."""

from mlprod import Fields
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

# "python" is for models that ONNX cannot hold; docs/four-files.md explains its cost.
RUNTIME = "onnx"
# Arguments of build_model() that `make tune` tries.
SEARCH_SPACE = {"learning_rate": [0.03, 0.06, 0.12], "min_samples_leaf": [10, 40, 160]}


def build_model(
    fields: Fields, learning_rate: float = 0.06, min_samples_leaf: int = 40
) -> BaseEstimator:
    """An estimator that fits on a float32 matrix [rows, fields].

    A classifier makes the task binary (with CLASSES multiclass), a regressor a regression. Address
    columns by name or by position; the native categories of scikit-learn do not survive the export.
    """
    one_hot = OneHotEncoder(
        categories=[fields.codes(position) for position in fields.categorical],
        handle_unknown="ignore",
        sparse_output=False,
        dtype="float32",
    )
    return make_pipeline(
        ColumnTransformer([("categories", one_hot, fields.categorical)], remainder="passthrough"),
        HistGradientBoostingClassifier(
            max_iter=120,
            learning_rate=learning_rate,
            min_samples_leaf=min_samples_leaf,
            random_state=0,
        ),
    )
