"""The runtimes of a model; each turns columns [rows] into scores [rows], or [rows, classes]."""

import os
import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..contract.model_inputs import Derive, ModelInputs
from ..contract.schema import Columns, Fields
from .code import BundledCode
from .onnx_check import require_self_contained

Scores = NDArray[np.float64]
# The model's file in a bundle, by runtime.
MODEL_FILES = {"onnx": "model.onnx", "python": "model/model.pkl"}
# A path that cannot exist, since its parent is a device.
NO_FOLDER = f"{os.devnull}/none"


class Runtime(Protocol):
    """A model that scores columns."""

    def score(self, columns: Columns) -> Scores: ...


class OnnxRuntime:
    """A model exported to ONNX, which runs on one thread.

    Replicas scale a service; more threads only make its slowest responses slower. Raises
    UnsafeModelError if the model is not self-contained. In addition, ONNX Runtime gets no folder
    from which to read.
    """

    def __init__(
        self,
        model: bytes,
        fields: Fields,
        derive: Derive | None = None,
        *,
        multiclass: bool = False,
    ) -> None:
        """`fields` are the raw ones, from which `derive` computes the features.

        With `multiclass` the scores are the probabilities of all classes.
        """
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
        self.inputs = ModelInputs(fields, derive)
        self.input = self.session.get_inputs()[0].name
        outputs = [output.name for output in self.session.get_outputs()]
        self.output = "probabilities" if "probabilities" in outputs else outputs[0]
        self.multiclass = multiclass

    def score(self, columns: Columns) -> Scores:
        return self.run(self.inputs.matrix(columns))

    def run(self, matrix: NDArray[np.float32]) -> Scores:
        """Return the scores [rows], or [rows, classes], of an encoded matrix [rows, fields]."""
        (output,) = self.session.run([self.output], {self.input: matrix})
        if self.multiclass:
            return np.asarray(output, dtype=np.float64)
        scores = output[:, 1] if self.output == "probabilities" else output.reshape(-1)
        return np.asarray(scores, dtype=np.float64)


class BundleUnpickler(pickle.Unpickler):
    """An unpickler that finds the project's classes in the code of the bundle.

    It also finds classes under their module names of the first version. That version had the four
    files in a folder domain/, beside a folder contract/.
    """

    CONTRACT: ClassVar[dict[str, str]] = {"terms": "schema", "check": "validation"}

    def __init__(self, content: BytesIO, code: BundledCode | None) -> None:
        super().__init__(content)
        self.code = code

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return a class by its name. Raises ModuleNotFoundError with the current module name."""
        if self.code:
            module_name = self.code.private_name(module_name)
        package, _, rest = module_name.partition(".")
        room, _, name = rest.partition(".")
        if room == "domain" and name:
            module_name = f"{package}.{name}"
        elif room == "contract" and name and package != "mlprod":
            module_name = f"mlprod.contract.{self.CONTRACT.get(name, name)}"
        return super().find_class(module_name, global_name)


class PythonRuntime:
    """A pickled object with predict(columns) → scores, for models without an ONNX export.

    Reading a pickle can run any code.
    """

    def __init__(
        self, content: bytes, code: BundledCode | None = None, inputs: ModelInputs | None = None
    ) -> None:
        """`code` has the classes of the pickle; without it they are those of the project today.

        `inputs` computes the features; without it the model gets the raw columns.
        """
        # Reached only with a waiver and ML_ALLOW_PICKLE.
        self.model: Any = BundleUnpickler(BytesIO(content), code).load()
        self.inputs = inputs

    def score(self, columns: Columns) -> Scores:
        given = self.inputs.columns(columns) if self.inputs else columns
        return np.asarray(self.model.predict(given), dtype=np.float64)


class BaselineRuntime:
    """The current process without a model: baseline() of decision.py."""

    def __init__(self, baseline: Callable[[Columns], Scores]) -> None:
        self.baseline = baseline

    def score(self, columns: Columns) -> Scores:
        return np.asarray(self.baseline(columns), dtype=np.float64)
