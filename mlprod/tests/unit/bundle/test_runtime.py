import pickle

import numpy as np
from seams import WordModel

from mlprod.bundle.runtime import PythonRuntime


def test_runtime_python_gives_the_object_the_raw_columns() -> None:
    columns = {"body": np.array(["broken door", "thanks"], dtype=object)}
    fitted = WordModel().fit(columns, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(PythonRuntime(pickle.dumps(fitted)).score(columns), [1.0, 0.0])
