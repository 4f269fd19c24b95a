"""Save the estimator as MLflow's scikit-learn flavor, for `mlflow models serve`.

It is a pipeline that accepts the categories as text.
"""

import pickle
import sys
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
from rules import CATEGORIES, NUMBERS
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

CODES = {
    name: {word: float(code) for code, word in enumerate(parts)}
    for name, parts in CATEGORIES.items()
}


def coded(frame: pd.DataFrame) -> np.ndarray:
    """Return the matrix for the estimator; lists are faster than a mapping by pandas."""
    parts = [
        [code.get(word, np.nan) for word in frame[name].tolist()] for name, code in CODES.items()
    ]
    return np.column_stack([frame[list(NUMBERS)].to_numpy("float32"), *parts]).astype("float32")


if __name__ == "__main__":
    # The server imports the function by this name.
    from serving_mlflow import coded

    # The benchmark wrote this file in the same run.
    estimator = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301
    mlflow.sklearn.save_model(
        make_pipeline(FunctionTransformer(coded), *(step for _, step in estimator.steps)),
        sys.argv[2],
        serialization_format="cloudpickle",
        pip_requirements=[],
        pyfunc_predict_fn="predict_proba",
    )
