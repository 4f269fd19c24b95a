"""The ways to run a model; each turns columns [rows] into scores [rows]."""

import os
import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..contract.encoding import encode
from ..contract.schema import Columns, Fields
from .onnx_check import require_self_contained

Scores = NDArray[np.float64]
MODEL_FILES = {"onnx": "model.onnx", "python": "model/model.pkl"}  # of a bundle
NO_FOLDER = f"{os.devnull}/none"  # below what is no folder, nothing can ever be


class Runtime(Protocol):
    def score(self, columns: Columns) -> Scores: ...


class OnnxRuntime:
    """A model exported to ONNX, run on one thread: replicas scale a service, threads only disturb
    its tail.

    Raises UnsafeModelError for a model that is not self-contained; ONNX Runtime is given no folder
    to read from either.
    """

    def __init__(self, model: bytes, fields: Fields) -> None:
        require_self_contained(model)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", NO_FOLDER
        )
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.fields = fields
        self.input = self.session.get_inputs()[0].name
        outputs = [output.name for output in self.session.get_outputs()]
        self.output = "probabilities" if "probabilities" in outputs else outputs[0]

    def score(self, columns: Columns) -> Scores:
        return self.run(encode(self.fields, columns))

    def run(self, matrix: NDArray[np.float32]) -> Scores:
        """Scores [rows] of an encoded matrix [rows, fields]."""
        (answer,) = self.session.run([self.output], {self.input: matrix})
        scores = answer[:, 1] if self.output == "probabilities" else answer.reshape(-1)
        return np.asarray(scores, dtype=np.float64)


class FirstVersion(pickle.Unpickler):
    """Finds classes also where the first version had them: the four files in a folder domain/,
    beside a contract/.
    """

    CONTRACT: ClassVar[dict[str, str]] = {"terms": "schema", "check": "validation"}

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Raises ModuleNotFoundError under the name of today."""
        package, _, rest = module_name.partition(".")
        room, _, name = rest.partition(".")
        if room == "domain" and name:
            module_name = f"{package}.{name}"
        elif room == "contract" and name and package != "mlprod":
            module_name = f"mlprod.contract.{self.CONTRACT.get(name, name)}"
        return super().find_class(module_name, global_name)


class PythonRuntime:
    """The escape: a pickled object with predict(columns) → scores.

    A pickle can run any code when it is read.
    """

    def __init__(self, content: bytes) -> None:
        self.model: Any = FirstVersion(
            BytesIO(content)
        ).load()  # reached only with a waiver and allow_pickle

    def score(self, columns: Columns) -> Scores:
        return np.asarray(self.model.predict(columns), dtype=np.float64)


class BaselineRuntime:
    """What is done today: the baseline of decision.py."""

    def __init__(self, baseline: Callable[[Columns], Scores]) -> None:
        self.baseline = baseline

    def score(self, columns: Columns) -> Scores:
        return np.asarray(self.baseline(columns), dtype=np.float64)
