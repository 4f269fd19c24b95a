"""Converters to ONNX of LightGBM, XGBoost and CatBoost, and the operators of every export.

The packages are extras of mlprod, for training only. An estimator of one of them has loaded its
package already, so a project without them pays nothing here.
"""

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
from onnx.helper import get_attribute_value
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes as classifier_shapes,
)
from skl2onnx.common.shape_calculator import (
    calculate_linear_regressor_output_shapes as regressor_shapes,
)
from sklearn.preprocessing import StandardScaler

# The operators that ONNX Runtime of the service runs. onnxmltools 1.16 writes trees up to version 3
# of ai.onnx.ml alone; 22 is the version that skl2onnx 1.20 is tested with.
TARGET_OPSET = {"": 22, "ai.onnx.ml": 3}
CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False]}


def exact_options(estimator: Any) -> dict[Any, dict[str, str]]:
    """Return the options of skl2onnx with which a StandardScaler gives the same float32 values.

    scikit-learn 1.9 subtracts and divides in float32. Without the option, skl2onnx multiplies by
    the reciprocal. Its last bit differs, and a threshold of a tree may lie between the two results.
    The option needs scalers that divide, and counts for all of an estimator.
    """
    parts = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ()
    scalers = [part for part in (estimator, *parts) if isinstance(part, StandardScaler)]
    divides = all(scaler.with_std for scaler in scalers)
    return {StandardScaler: {"div": "div"}} if scalers and divides else {}


def register_converters() -> None:
    """Register the converters of the boosters that are loaded.

    LightGBM and XGBoost get none if onnxmltools is not installed.
    """
    if "catboost" in sys.modules:
        _register_catboost()
    if find_spec("onnxmltools") and "lightgbm" in sys.modules:
        _register_lightgbm()
    if find_spec("onnxmltools") and "xgboost" in sys.modules:
        _register_xgboost()


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    def convert(scope: Any, operator: Any, container: Any) -> None:
        convert_lightgbm(scope, operator, _RoundingContainer(container))

    _register(LGBMClassifier, convert, classifier=True)
    _register(LGBMRegressor, convert, classifier=False, split=None)


def _register_xgboost() -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

    for kind in (XGBClassifier, XGBRFClassifier):
        _register(kind, convert_xgboost, classifier=True)
    for kind in (XGBRegressor, XGBRFRegressor):
        _register(kind, convert_xgboost, classifier=False)


def _register_catboost() -> None:
    from catboost import CatBoostClassifier, CatBoostRegressor

    _register(CatBoostClassifier, _convert_catboost, classifier=True, parser=_catboost_outputs)
    _register(CatBoostRegressor, _convert_catboost, classifier=False)


def _register(
    kind: type, convert: Any, *, classifier: bool, parser: Any = None, **more: Any
) -> None:
    update_registered_converter(
        kind,
        f"Mlprod{kind.__name__}",
        classifier_shapes if classifier else regressor_shapes,
        convert,
        overwrite=True,
        parser=parser,
        options=CLASSIFIER_OPTIONS if classifier else more or None,
    )


class _RoundingContainer:
    """A container of skl2onnx whose tree nodes get thresholds that float32 holds.

    LightGBM compares a value with a float64 threshold, `value <= threshold`. Of all float32 values
    the same ones are below the largest float32 that is not above the threshold. The nearest
    float32, which ONNX would store, can be above it.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, kind: str, *given: Any, **named: Any) -> None:
        if "nodes_values" in named:
            named["nodes_values"] = [
                round_down(value) if mode == "BRANCH_LEQ" else value
                for value, mode in zip(named["nodes_values"], named["nodes_modes"], strict=True)
            ]
        self._container.add_node(kind, *given, **named)


def round_down(threshold: float) -> float:
    """Return the largest float32 that is not above a threshold."""
    nearest = np.float32(threshold)
    # As Python numbers: numpy would compare the two in float32.
    below = (
        nearest
        if float(nearest) <= float(threshold)
        else np.nextafter(nearest, np.float32(-np.inf))
    )
    return float(below)


def _catboost_outputs(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the two outputs of a classifier.

    skl2onnx would declare one, because CatBoostClassifier does not inherit from scikit-learn.
    """
    operator = scope.declare_local_operator(f"Mlprod{type(model).__name__}", model)
    operator.inputs = inputs
    is_text = np.asarray(model.classes_).dtype.kind in "OU"
    label = StringTensorType() if is_text else Int64TensorType()
    for name, kind in (("label", label), ("probabilities", FloatTensorType())):
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _convert_catboost(scope: Any, operator: Any, container: Any) -> None:
    """Add the trees that CatBoost exports.

    The rest of its export stays out: a map of probabilities, and metadata with the time.
    """
    from catboost.utils import convert_to_onnx_object

    exported = convert_to_onnx_object(operator.raw_operator).graph.node
    (trees,) = [node for node in exported if node.op_type.startswith("TreeEnsemble")]
    container.add_node(
        trees.op_type,
        operator.input_full_names,
        operator.output_full_names,
        op_domain="ai.onnx.ml",
        name=scope.get_unique_operator_name(trees.op_type),
        **{item.name: get_attribute_value(item) for item in trees.attribute},
    )
