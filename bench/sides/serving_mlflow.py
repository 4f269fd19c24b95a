"""Save the estimator as MLflow's scikit-learn flavour, for `mlflow models serve`: a pipeline that
takes the words.
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
    """The matrix that the estimator was fitted on, by lists: pandas maps words more slowly."""
    parts = [
        [code.get(word, np.nan) for word in frame[name].tolist()] for name, code in CODES.items()
    ]
    return np.column_stack([frame[list(NUMBERS)].to_numpy("float32"), *parts]).astype("float32")


if __name__ == "__main__":
    from serving_mlflow import coded  # by the name under which the server finds it

    estimator = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by ourselves a moment ago
    mlflow.sklearn.save_model(
        make_pipeline(FunctionTransformer(coded), *(step for _, step in estimator.steps)),
        sys.argv[2],
        serialization_format="cloudpickle",
        pip_requirements=[],
        pyfunc_predict_fn="predict_proba",
    )
