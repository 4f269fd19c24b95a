"""Export of a fitted estimator to bytes that the service runs, and its parity check."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from skl2onnx import to_onnx
from sklearn.pipeline import Pipeline

from ..bundle.errors import BundleError, UnsafeModelError
from ..bundle.limits import MEGABYTE
from ..bundle.loader import TRIALS
from ..bundle.manifest import Parity
from ..bundle.onnx_check import require_self_contained
from ..bundle.runtime import MODEL_FILES, OnnxRuntime, PythonRuntime, Runtime, Scores
from ..bundle.trial import SMALLER_MODEL, ExportedModel
from ..bundle.writer import probe_columns
from ..contract.encoding import sample_columns
from ..contract.schema import Columns, Task
from ..project.project import Seam
from .dataset import Dataset
from .fit import require_scores
from .onnx_converters import TARGET_OPSET, exact_options, register_converters

PARITY_ROWS = 50_000
ONNX_REMEDY = 'Use estimators that skl2onnx supports, or RUNTIME = "python" in model.py.'


class ExportError(Exception):
    """The estimator cannot be exported, or the service cannot run the export."""


def export(seam: Seam, estimator: Any) -> dict[str, bytes]:
    """Return the files of the model: model.onnx, or model/model.pkl for runtime python.

    Raises ExportError if the estimator cannot be exported.
    """
    name = type(estimator).__name__
    if seam.runtime == "python":
        if seam.export:
            raise ExportError(
                'model.py has RUNTIME = "python", which exports no ONNX, and extensions.py has '
                "export(). Remove one of the two"
            )
        try:
            return {"model/model.pkl": pickle.dumps(estimator, protocol=5)}
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ExportError(
                f"{name} cannot be pickled: {str(error)[:200]}. Define functions at the top of a "
                "module instead of lambdas, and hold no open files or connections in the estimator"
            ) from error
    classifier = seam.task() != "regression"
    if classifier and not hasattr(estimator, "predict_proba"):
        last = type(estimator[-1]).__name__ if isinstance(estimator, Pipeline) else name
        raise ExportError(
            f"{last} has no predict_proba, which a classifier needs, because a score must be a "
            f"probability. Wrap it: CalibratedClassifierCV({last}(...)), or use another "
            "estimator, for example LogisticRegression()"
        )
    try:
        onnx = seam.export(estimator) if seam.export else _to_onnx(seam, estimator, classifier)
        if isinstance(onnx, bytes):
            onnx = ModelProto.FromString(onnx)
    except Exception as error:
        if seam.export:
            raise ExportError(f"export() of extensions.py failed for {name}: {error}") from error
        raise ExportError(
            f"{name} cannot be exported to ONNX: {str(error).splitlines()[0][:200]}\n{ONNX_REMEDY}"
        ) from error
    if not isinstance(onnx, ModelProto):
        raise ExportError(
            f"export() of extensions.py returned a {type(onnx).__name__}; it must return an "
            "onnx.ModelProto, such as that of skl2onnx.to_onnx(), or its bytes"
        )
    # skl2onnx writes them in the order of a set; the bundle must not depend on it.
    opsets = sorted(onnx.opset_import, key=lambda opset: opset.domain)
    del onnx.opset_import[:]
    onnx.opset_import.extend(opsets)
    model = bytes(onnx.SerializeToString(deterministic=True))
    try:
        require_self_contained(model)
    except UnsafeModelError as error:
        raise ExportError(
            f"{name} is exported to ONNX that the service does not load: {error}\n{ONNX_REMEDY}"
        ) from error
    return {"model.onnx": model}


def _to_onnx(seam: Seam, estimator: Any, classifier: bool) -> Any:
    row = np.zeros((1, len(seam.inputs.fields)), dtype=np.float32)
    register_converters()
    plain = {id(estimator): {"zipmap": False}} if classifier else {}
    options = exact_options(estimator) | plain
    return to_onnx(estimator, row, options=options, target_opset=TARGET_OPSET)


def try_export(seam: Seam, files: dict[str, bytes], megabytes: int) -> tuple[float, float]:
    """Load and run the export, and return the megabytes of its files and of its memory.

    Raises BundleError if it needs more than `megabytes`, and ExportError if it cannot be run or
    does not end.
    """
    size = sum(map(len, files.values())) / MEGABYTE
    if size > megabytes:
        raise BundleError(
            "size",
            f"the model has {size:,.0f} MB of files; the limit is {megabytes} MB. {SMALLER_MODEL}",
        )
    fields = seam.terms.fields
    exported = ExportedModel(
        seam.runtime, files[MODEL_FILES[seam.runtime]], fields, probe_columns(fields), seam.code
    )
    try:
        return size, TRIALS.run(exported, megabytes)
    except BundleError as error:
        if error.reason == "size":
            raise
        name = type(seam.build_model(seam.inputs.fields)).__name__
        raise ExportError(
            f"{name} was exported, but the service could not run it: {error}\n{ONNX_REMEDY}"
        ) from error


def runtime_of(seam: Seam, files: dict[str, bytes]) -> Runtime:
    """Return the exported model as the service runs it. Raises ExportError if it cannot be run."""
    if seam.runtime == "python":
        return PythonRuntime(files["model/model.pkl"], seam.code, seam.inputs)
    with _onnx_errors(seam):
        runtime = OnnxRuntime(
            files["model.onnx"],
            seam.terms.fields,
            seam.derive,
            multiclass=bool(seam.terms.classes),
        )
        runtime.score(sample_columns(seam.terms.fields, 2, seed=2))
    return runtime


@contextmanager
def _onnx_errors(seam: Seam) -> Iterator[None]:
    """Turn an error of ONNX Runtime in the body into an ExportError."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "onnxruntime":
            raise
        name = type(seam.build_model(seam.inputs.fields)).__name__
        raise ExportError(
            f"{name} was exported, but ONNX Runtime cannot run it: "
            f"{str(error).splitlines()[0][:200]}\n"
            'Use another estimator, or RUNTIME = "python" in model.py.'
        ) from error


def measure_parity(seam: Seam, estimator: Any, exported: Runtime, rows: Dataset) -> Parity:
    """Compare the scores of estimator and export, on the rows and on synthetic ones.

    All probabilities of a row are compared. The synthetic rows also have missing values and
    unknown categories. Where the largest score is
    above one, the difference is relative to it, because float32 has seven digits. Raises
    ExportError if one of the two cannot score the rows.
    """
    worst, classes = 0.0, seam.terms.classes
    for columns in (rows.columns, sample_columns(seam.terms.fields, PARITY_ROWS, seed=2)):
        count = len(next(iter(columns.values())))
        try:
            own = require_scores(predict(seam, estimator, columns), count, "the model", classes)
        except ValueError as error:
            raise ExportError(
                f"the estimator cannot score rows that the contract allows: {error}"
            ) from error
        with _onnx_errors(seam):
            exact = require_scores(exported.score(columns), count, "the exported model", classes)
        worst = max(
            worst, float(np.max(np.abs(own - exact))) / max(1.0, float(np.max(np.abs(own))))
        )
    return Parity(rows=len(rows) + PARITY_ROWS, max_difference=round(worst, 12))


def predict(seam: Seam, estimator: Any, columns: Columns) -> Scores:
    """Return the scores [rows], or [rows, classes], of the estimator itself, without its export."""
    if seam.runtime == "python":
        return np.asarray(estimator.predict(seam.inputs.columns(columns)), dtype=np.float64)
    return _scores(estimator, seam.inputs.matrix(columns), seam.task())


def _scores(estimator: Any, matrix: NDArray[np.float32], task: Task) -> Scores:
    if task == "multiclass":
        return np.asarray(estimator.predict_proba(matrix), dtype=np.float64)
    scores = (
        estimator.predict_proba(matrix)[:, 1] if task == "binary" else estimator.predict(matrix)
    )
    return np.asarray(scores, dtype=np.float64).reshape(-1)
