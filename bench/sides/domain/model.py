"""100 boosted trees behind a one-hot encoding."""

from mlprod import Fields
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

RUNTIME = "onnx"


def build_model(fields: Fields) -> BaseEstimator:
    categories = [fields.codes(position) for position in fields.categorical]
    one_hot = OneHotEncoder(
        categories=categories, handle_unknown="ignore", sparse_output=False, dtype="float32"
    )
    return make_pipeline(
        ColumnTransformer([("categories", one_hot, fields.categorical)], remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0),
    )
