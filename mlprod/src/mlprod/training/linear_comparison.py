"""Is a simpler model as good?

A linear model of the same rows, judged by the same money on the same test rows.
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
from .evaluate import paired
from .fit import choose_threshold, payoffs
from .split import Split

MOST = 100_000  # rows that a few weights are learnt from; more would not move them


def more_than_simple(seam: Seam, rows: Dataset, parts: Split, candidate: Candidate) -> Estimate:
    """Money a row that the candidate earns more than a linear model of the same fields, with its
    own threshold.
    """
    task, test, validation = seam.task(), rows.take(parts.test), rows.take(parts.validation)
    fields = Fields(tuple(field for field in seam.terms.fields if field.kind != "text"))
    learn = rows.take(parts.train[:: len(parts.train) // MOST + 1])
    estimator = linear(fields, task).fit(_matrix(fields, learn.columns, len(learn)), learn.y)

    def scores(part: Dataset) -> NDArray[np.float64]:
        matrix = _matrix(fields, part.columns, len(part))
        answer = (
            estimator.predict_proba(matrix)[:, 1] if task == "binary" else estimator.predict(matrix)
        )
        return np.asarray(answer, dtype=np.float64)

    theirs = payoffs(
        seam, test, scores(test), choose_threshold(seam, validation, scores(validation))
    )
    ours = payoffs(seam, test, candidate.runtime.score(test.columns), candidate.threshold)
    return paired(test, ours - theirs)


def linear(fields: Fields, task: Task) -> Pipeline:
    """Numbers scaled, a missing one as the mean and a sign of its own; words one by one.

    Without fields, a constant.
    """
    if not len(fields):
        return make_pipeline(
            DummyClassifier(strategy="prior") if task == "binary" else DummyRegressor()
        )
    parts = OneHotEncoder(
        categories=[fields.codes(at) for at in fields.categorical], handle_unknown="ignore"
    )
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    columns = [("words", parts, fields.categorical), ("numbers", numbers, fields.numeric)]
    return make_pipeline(
        ColumnTransformer([item for item in columns if item[2]], sparse_threshold=0),
        LogisticRegression(max_iter=1_000) if task == "binary" else Ridge(),
    )


def _matrix(fields: Fields, columns: Columns, rows: int) -> NDArray[np.float32]:
    return encode(fields, columns) if len(fields) else np.zeros((rows, 1), dtype=np.float32)
