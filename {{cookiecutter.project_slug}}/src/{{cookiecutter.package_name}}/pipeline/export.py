"""From a fitted estimator to bytes that the service can run, and the proof that both say the same."""

import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx

from ..bundle.manifest import Parity
from ..bundle.runtime import OnnxRuntime, PythonRuntime, Runtime, Scores
from ..contract.encoding import encode, sample
from ..contract.terms import Columns, Task
from .rows import Rows
from .seam import Seam
from .train import usable

PARITY_ROWS = 50_000


class ExportFailed(Exception):
    """The estimator has no ONNX form."""


def export(seam: Seam, estimator: Any) -> dict[str, bytes]:
    """The files of the model: model.onnx, or model/model.pkl for runtime python. Raises ExportFailed."""
    if seam.runtime == "python":
        return {"model/model.pkl": pickle.dumps(estimator, protocol=5)}
    options = {"zipmap": False} if seam.task() == "binary" else None
    try:
        onnx = to_onnx(estimator, np.zeros((1, len(seam.terms.fields)), dtype=np.float32), options=options)
    except Exception as error:
        deaf = seam.task() == "binary" and not hasattr(estimator, "predict_proba")
        hint = "It has no predict_proba, which a classifier needs: wrap it in CalibratedClassifierCV.\n" if deaf else ""
        raise ExportFailed(
            f"{type(estimator).__name__} cannot be exported to ONNX: {str(error).splitlines()[0][:200]}\n{hint}"
            'Use estimators that skl2onnx supports, with columns by position, or RUNTIME = "python" in domain/model.py.'
        ) from error
    opsets = sorted(onnx.opset_import, key=lambda opset: opset.domain)  # they come out of a set: any order
    del onnx.opset_import[:]
    onnx.opset_import.extend(opsets)
    return {"model.onnx": bytes(onnx.SerializeToString(deterministic=True))}


def runtime_of(seam: Seam, files: dict[str, bytes]) -> Runtime:
    """The exported model, as the service will run it."""
    if seam.runtime == "python":
        return PythonRuntime(files["model/model.pkl"])
    return OnnxRuntime(files["model.onnx"], seam.terms.fields)


def parity(seam: Seam, estimator: Any, exported: Runtime, rows: Rows) -> Parity:
    """Compare estimator and export on the rows and on made-up ones, with missing and never seen values among them.

    The difference is relative to the largest score where that is above one: float32 has seven digits.
    """
    worst = 0.0
    for columns in (rows.columns, sample(seam.terms.fields, PARITY_ROWS, seed=2)):
        count = len(next(iter(columns.values())))
        try:
            own = usable(predict(seam, estimator, columns), count, "the model")
        except ValueError as error:
            raise ExportFailed(f"the estimator cannot score rows that the contract allows: {error}") from error
        exact = usable(exported.score(columns), count, "the exported model")
        worst = max(worst, float(np.max(np.abs(own - exact))) / max(1.0, float(np.max(np.abs(own)))))
    return Parity(rows=len(rows) + PARITY_ROWS, max_difference=round(worst, 12))


def predict(seam: Seam, estimator: Any, columns: Columns) -> Scores:
    """Scores [rows] of the estimator itself, before any export."""
    if seam.runtime == "python":
        return np.asarray(estimator.predict(columns), dtype=np.float64)
    return _scores(estimator, encode(seam.terms.fields, columns), seam.task())


def _scores(estimator: Any, matrix: NDArray[np.float32], task: Task) -> Scores:
    answer = estimator.predict_proba(matrix)[:, 1] if task == "binary" else estimator.predict(matrix)
    return np.asarray(answer, dtype=np.float64).reshape(-1)
