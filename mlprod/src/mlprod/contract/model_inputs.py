"""The inputs of a model: the features that derive() computes from a row, then its categories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import encode, sample_columns
from .fields import Columns, Field, Fields

Derive = Callable[[Columns], Mapping[str, NDArray[Any]]]
"""derive() of features.py: the columns [rows] of the fields → numbers [rows] by feature."""


class FeatureError(ValueError):
    """derive() gives what a model cannot learn from; the message names feature, row and rule."""


@dataclass(frozen=True)
class ModelInputs:
    """How the raw fields of rows become the columns of a model's matrix.

    Without `derive` the columns are the fields. With it they are its features in their order, then
    the category fields, and where the model takes `texts` the text fields, in the order of the
    contract.
    """

    raw: Fields
    derive: Derive | None = None
    texts: bool = False

    @cached_property
    def fields(self) -> Fields:
        """The columns of the matrix, as fields: what build_model() gets. Raises FeatureError."""
        if self.derive is None:
            return self.raw
        features = self._features(self.derive, sample_columns(self.raw, 2, seed=0))
        return Fields((*(Field(name, "number") for name in features), *self._unchanged))

    @cached_property
    def _unchanged(self) -> tuple[Field, ...]:
        kinds = ("category", "text") if self.texts else ("category",)
        return tuple(field for field in self.raw if field.kind in kinds)

    def columns(self, columns: Columns) -> Columns:
        """Return the columns of the matrix, not encoded. Raises FeatureError."""
        if self.derive is None:
            return columns
        unchanged = {field.name: columns[field.name] for field in self._unchanged}
        return {**self._features(self.derive, columns), **unchanged}

    def matrix(self, columns: Columns) -> NDArray[np.float32]:
        """Return the matrix [rows, inputs] of the raw columns.

        Raises FeatureError, and ValueError if a field is text.
        """
        return encode(self.fields, self.columns(columns))

    def _features(self, derive: Derive, columns: Columns) -> dict[str, NDArray[np.float64]]:
        rows = len(next(iter(columns.values())))
        try:
            result = derive({name: _read_only(values) for name, values in columns.items()})
        except KeyError as error:
            raise FeatureError(
                f"features.py: derive() reads {error}, which is not a field of the contract; "
                f"works: {', '.join(self.raw.names)}"
            ) from error
        except Exception as error:
            raise FeatureError(
                f"features.py: derive() failed for {rows} rows that the contract allows: {error!r}"
            ) from error
        if not isinstance(result, Mapping) or not result:
            raise FeatureError(
                f"features.py: derive() returned {type(result).__name__}; works: a dict with an "
                'array for each feature, such as {"ratio": columns["amount"] / 100}'
            )
        return {name: self._numbers(name, values, rows) for name, values in result.items()}

    def _numbers(self, name: Any, values: Any, rows: int) -> NDArray[np.float64]:
        if not isinstance(name, str) or name in {field.name for field in self._unchanged}:
            raise FeatureError(
                f"features.py: derive() names a feature {name!r}; works: a text that is not a "
                "category field, since those stay inputs by themselves"
            )
        try:
            numbers = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise FeatureError(
                f"features.py: {name} is not numbers: {error}; works: an array of float64"
            ) from error
        if numbers.shape != (rows,):
            raise FeatureError(
                f"features.py: {name} has the shape {numbers.shape} for {rows} rows; works: one "
                f"number for each row, shape ({rows},)"
            )
        return numbers


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return a view that derive() cannot write into, since records and drift read the same rows."""
    view = values.view()
    view.flags.writeable = False
    return view
