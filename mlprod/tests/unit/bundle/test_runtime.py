import pickle

import numpy as np
from seams import WordModel

from mlprod.bundle.runtime import PythonRuntime


def test_the_runtime_python_passes_raw_columns_to_the_object() -> None:
    columns = {"body": np.array(["broken door", "thanks"], dtype=object)}
    fitted = WordModel().fit(columns, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(PythonRuntime(pickle.dumps(fitted)).score(columns), [1.0, 0.0])
