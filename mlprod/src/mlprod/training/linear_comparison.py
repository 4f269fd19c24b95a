"""Comparison with a simpler model: a linear one on the same rows.

Both models are judged by the same payoff on the same test rows.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ..bundle.manifest import Estimate
from ..contract.encoding import encode
from ..contract.schema import Columns, Fields, Task
from ..project.project import Seam
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import paired_difference
from .fit import choose_threshold, payoffs
from .split import Split

# Rows from which the linear model learns; more would not change its few weights.
MAX_TRAINING_ROWS = 100_000


def gain_over_linear(seam: Seam, rows: Dataset, parts: Split, candidate: Candidate) -> Estimate:
    """Compute by how much the candidate's payoff per row exceeds that of a linear model.

    The linear model uses the same inputs, and a threshold of its own.
    """
    task, test, validation = seam.task(), rows.subset(parts.test), rows.subset(parts.validation)
    fields = Fields(tuple(field for field in seam.inputs.fields if field.kind != "text"))
    learn = rows.subset(parts.train[:: len(parts.train) // MAX_TRAINING_ROWS + 1])
    matrix = _matrix(fields, seam.inputs.columns(learn.columns), len(learn))
    estimator = build_linear_model(fields, task).fit(matrix, learn.y)

    def score(part: Dataset) -> NDArray[np.float64]:
        matrix = _matrix(fields, seam.inputs.columns(part.columns), len(part))
        if task == "multiclass":
            # A rare class may be absent from the rows that this model learned.
            shares = np.zeros((len(part), len(seam.terms.classes)))
            shares[:, estimator.classes_.astype(np.intp)] = estimator.predict_proba(matrix)
            return shares
        scores = (
            estimator.predict_proba(matrix)[:, 1] if task == "binary" else estimator.predict(matrix)
        )
        return np.asarray(scores, dtype=np.float64)

    theirs = payoffs(seam, test, score(test), choose_threshold(seam, validation, score(validation)))
    ours = payoffs(seam, test, candidate.runtime.score(test.columns), candidate.threshold)
    return paired_difference(test, ours - theirs)


def build_linear_model(fields: Fields, task: Task) -> Pipeline:
    """Build a linear model: numbers are scaled, categories are one-hot encoded.

    A missing number is the mean, with an indicator column. Without fields the model is a constant.
    """
    if not len(fields):
        return make_pipeline(
            DummyRegressor() if task == "regression" else DummyClassifier(strategy="prior")
        )
    categories = OneHotEncoder(
        categories=[fields.codes(at) for at in fields.categorical], handle_unknown="ignore"
    )
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    columns = [("categories", categories, fields.categorical), ("numbers", numbers, fields.numeric)]
    return make_pipeline(
        ColumnTransformer([item for item in columns if item[2]], sparse_threshold=0),
        Ridge() if task == "regression" else LogisticRegression(max_iter=1_000),
    )


def _matrix(fields: Fields, columns: Columns, rows: int) -> NDArray[np.float32]:
    return encode(fields, columns) if len(fields) else np.zeros((rows, 1), dtype=np.float32)
