"""Ridge regression on scaled measures, with a column for each species, island and sex."""

from mlprod import Fields
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RUNTIME = "onnx"


def build_model(fields: Fields) -> BaseEstimator:
    """A regressor over the features and the categories."""
    one_hot = OneHotEncoder(
        categories=[fields.codes(position) for position in fields.categorical],
        handle_unknown="ignore",
        sparse_output=False,
        dtype="float32",
    )
    measures = make_pipeline(SimpleImputer(), StandardScaler())
    columns = [("words", one_hot, fields.categorical), ("measures", measures, fields.numeric)]
    return make_pipeline(ColumnTransformer(columns), Ridge())
