"""Columns that an estimator names, such as those of a ColumnTransformer, become positions.

An estimator is fitted on a matrix, and ONNX knows positions only.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from sklearn.compose import ColumnTransformer


class ColumnNameError(ValueError):
    """An estimator names a column that is not an input; the message names the inputs."""


def by_position(estimator: Any, names: Sequence[str]) -> Any:
    """Replace the column names in each ColumnTransformer of an estimator by positions.

    `names` are the model's inputs in their order. Returns the same estimator. Raises
    ColumnNameError.
    """
    parts = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    for part in (estimator, *parts.values()):
        if isinstance(part, ColumnTransformer):
            part.transformers = [
                (name, transformer, _positions(name, columns, names))
                for name, transformer, columns in part.transformers
            ]
    return estimator


def _positions(transformer: str, columns: Any, names: Sequence[str]) -> Any:
    if isinstance(columns, str):
        return _position(transformer, columns, names)
    if isinstance(columns, (list, tuple)) and any(isinstance(column, str) for column in columns):
        return [
            _position(transformer, column, names) if isinstance(column, str) else column
            for column in columns
        ]
    if callable(columns):
        raise ColumnNameError(
            f"model.py: the ColumnTransformer chooses the columns of {transformer!r} by a "
            "function, which needs a data frame; the estimator gets a matrix. Works: "
            "fields.numeric, fields.categorical, or a list of names"
        )
    return columns


def _position(transformer: str, column: str, names: Sequence[str]) -> int:
    if column in names:
        return list(names).index(column)
    near = get_close_matches(column, names, 1, 0.0)
    raise ColumnNameError(
        f"model.py: the ColumnTransformer names the column {column!r} in {transformer!r}, which is "
        f"not an input of the model; the most similar is {near[0]!r}. Inputs: {', '.join(names)}"
    )
