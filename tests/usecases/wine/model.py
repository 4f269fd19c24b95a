"""Logistic regression on scaled measurements."""

from mlprod import Fields
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RUNTIME = "onnx"


def build_model(fields: Fields) -> BaseEstimator:
    """A classifier over the measurements."""
    return make_pipeline(StandardScaler(), LogisticRegression())
