"""Checks of an estimator before it is fitted: whether each step has an exact export to ONNX.

The parity gate judges every export. These checks name what is known to fail, before the training.
The figures are in docs/proofs.md of the template.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx._supported_operators import sklearn_operator_name_map
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from ..project.boosters import BOOSTERS, install_remedy
from .onnx_converters import register_converters

PYTHON_RUNTIME = 'RUNTIME = "python" in model.py'
SCALERS = {
    "MaxAbsScaler",
    "Normalizer",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
}
# skl2onnx 1.20 exports no route of missing values for the trees of these.
NO_MISSING = ("DecisionTree", "ExtraTree", "RandomForest")
TREES = (
    "CatBoost",
    "DecisionTree",
    "ExtraTree",
    "GradientBoosting",
    "HistGradientBoosting",
    "LGBM",
    "RandomForest",
    "XGB",
)
# Package → parameter → the values that its converter exports exactly, or at all.
EXPORTED: dict[str, dict[str, tuple[Any, ...]]] = {
    "lightgbm": {
        "boosting_type": ("gbdt", "dart"),
        "linear_tree": (None, False),
        "reg_sqrt": (None, False),
        "sigmoid": (None, 1.0),
        "zero_as_missing": (None, False),
    },
    "xgboost": {
        "booster": (None, "gbtree"),
        "missing": (None, np.nan),
        "num_parallel_tree": (None, 1),
    },
    "catboost": {
        "cat_features": (None,),
        "embedding_features": (None,),
        "grow_policy": (None, "SymmetricTree"),
        "text_features": (None,),
    },
}


class UnsupportedStepError(Exception):
    """A step of the estimator has no export to ONNX; the message names it and what works."""


def require_exportable(estimator: Any) -> None:
    """Raise UnsupportedStepError if a step of the estimator is known to have no exact export."""
    register_converters()
    for name, part in steps(estimator):
        package = package_of(part)
        if type(part) not in sklearn_operator_name_map:
            if package in BOOSTERS and not find_spec("onnxmltools"):
                raise UnsupportedStepError(
                    f"model.py: {name} needs the package onnxmltools for its export, which is not "
                    f"installed; works: {install_remedy(package)}"
                )
            raise UnsupportedStepError(
                f"model.py: {name} has no converter to ONNX. Works: an estimator that skl2onnx "
                "converts, LGBM, XGB and CatBoost classifiers and regressors, a converter that "
                "model.py registers with skl2onnx.update_registered_converter(), or "
                f"{PYTHON_RUNTIME}. What is computed from one row belongs into derive() of "
                "features.py"
            )
        for parameter, works in EXPORTED.get(package, {}).items():
            value = part.get_params().get(parameter)
            if not any(value == exported or value is exported for exported in works) and not (
                isinstance(value, float) and np.isnan(value)
            ):
                shown = " or ".join(repr(exported) for exported in works if exported is not None)
                raise UnsupportedStepError(
                    f"model.py: {name} has {parameter}={value!r}, which has no exact export to "
                    f"ONNX. Works: {parameter}={shown or None}, or {PYTHON_RUNTIME}"
                )


def export_warnings(estimator: Any, missing: bool = False) -> Iterator[str]:
    """Yield what makes an export differ from its estimator, with what works.

    `missing` is whether numbers are missing in the rows. A scaler before trees: the library and
    ONNX round a scaled value to different float32 values, and a threshold may lie between them.
    StandardScaler and MinMaxScaler have an exact export. Sparse columns before XGBoost: it treats
    each zero in them as missing, which the dense matrix of ONNX cannot show.
    """
    parts = list(steps(estimator))
    last, tree = parts[-1][1], type(parts[-1][1]).__name__
    if missing and tree.startswith(NO_MISSING) and not any("Imputer" in name for name, _ in parts):
        yield (
            f"{tree} gets missing values, and its export does not route them as it does. Works: "
            f"make_pipeline(SimpleImputer(), {tree}(...)), or HistGradientBoosting"
        )
    if not tree.startswith(TREES):
        return
    for name, part in parts:
        if type(part).__name__ in SCALERS:
            yield (
                f"{name} before {tree}: scaled values are rounded to float32, so a row may fall on "
                "the other side of a threshold in the export. Trees need no scaler: remove it"
            )
        if package_of(last) == "xgboost" and getattr(part, "sparse_output", False):
            yield (
                f"{name} may give sparse columns, and {tree} treats each zero of them as missing, "
                f"unlike the export. Works: {type(part).__name__}(sparse_output=False)"
            )


def exported_labels(estimator: Any, labels: NDArray[Any], task: str) -> NDArray[Any]:
    """Return the labels [rows] for the fit: integers for a classifier of CatBoost.

    Its export to ONNX refuses other numbers.
    """
    catboost = any(package_of(part) == "catboost" for _, part in steps(estimator))
    numbers = catboost and task == "binary" and labels.dtype.kind == "f"
    return labels.astype(np.int64) if numbers else labels


def steps(estimator: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each step of pipelines, column transformers and unions, with a name for messages."""
    if isinstance(estimator, Pipeline):
        parts = estimator.steps
    elif isinstance(estimator, ColumnTransformer):
        parts = [(name, part) for name, part, _ in estimator.transformers]
    elif isinstance(estimator, FeatureUnion):
        parts = estimator.transformer_list
    else:
        kind = type(estimator).__name__
        yield f"step {above!r} ({kind})" if above else kind, estimator
        return
    for name, part in parts:
        if part is not None and not isinstance(part, str):
            yield from steps(part, f"{above}/{name}" if above else name)


def package_of(part: Any) -> str:
    """Return the package in which the class of a step is defined."""
    return type(part).__module__.partition(".")[0]
