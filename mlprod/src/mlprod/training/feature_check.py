"""The check of derive() before a training: finite, one row at a time, and always the same."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from ..contract.dates import DATE_EXAMPLES
from ..contract.encoding import column, json_value, sample_columns
from ..contract.model_inputs import FeatureError, ModelInputs
from ..contract.schema import Columns, Field, Fields

SAMPLE_ROWS = 2_000
# Rows that are computed one by one.
SINGLE_ROWS = 8
# A feature may differ in the last bits between one row and many, since numpy sums in another order.
TOLERANCE = 1e-9


def require_sound_features(
    inputs: ModelInputs, columns: Columns, personal: Collection[str] = ()
) -> None:
    """Check derive() on random rows of the contract, on its limits, and on the rows of the data.

    Does nothing without derive(). Raises FeatureError; the message names feature, row and rule, and
    shows no value of a `personal` field.
    """
    if inputs.derive is None:
        return
    _require_sound(
        inputs, sample_columns(inputs.raw, SAMPLE_ROWS, seed=4), "random rows of the contract"
    )
    _require_sound(inputs, bound_rows(inputs.raw), "the limits of the contract")
    try:
        inputs.columns(columns)
    except FeatureError as error:
        if error.__cause__ is None:
            raise
        # The text of another exception may hold a value of a row.
        raise FeatureError(
            f"features.py: derive() failed for the rows of the data, with "
            f"{type(error.__cause__).__name__}, and not for random rows of the contract"
        ) from None
    _require_sound(inputs, columns, "the data", personal)


def raw_date_warnings(inputs: ModelInputs) -> Iterator[str]:
    """Yield a warning for each date that is an input of the model as it is."""
    for field in inputs.fields:
        if field.kind in DATE_EXAMPLES:
            unit = (
                "days since 1970"
                if field.kind == "date"
                else ("seconds since 1970, which float32 holds to two minutes")
            )
            yield (
                f"{field.name} is an input as it is: {unit}. Each later {field.kind} lies beyond "
                "those that the model has learned. Works: an age or a weekday, computed by "
                "derive() in features.py"
            )


def bound_rows(fields: Fields) -> Columns:
    """Return rows [3] at the lower and the upper bound of each field, and with missing values."""
    return {field.name: column(field, list(_bounds_of(field))) for field in fields}


def _bounds_of(field: Field) -> Iterator[object]:
    if field.kind in ("category", "text"):
        texts = field.categories or ("", "a")
        yield from (texts[0], texts[-1], None if field.optional else texts[0])
    else:
        low, high = field.bounds or (0.0, 1.0)
        yield from (low, high, np.nan if field.optional else low)


def _require_sound(
    inputs: ModelInputs, columns: Columns, source: str, hidden: Collection[str] = ()
) -> None:
    features = inputs.columns(columns)
    again = inputs.columns(columns)
    rows = len(next(iter(columns.values())))
    # Missing values may give missing features.
    missing = np.zeros(rows, dtype=bool)
    for field in inputs.raw:
        if field.kind not in ("category", "text"):
            missing |= np.isnan(columns[field.name])
    single = [
        inputs.columns({name: values[place : place + 1] for name, values in columns.items()})
        for place in range(min(rows, SINGLE_ROWS))
    ]
    for name in (field.name for field in inputs.fields if field.kind == "number"):
        values = features[name]
        bad = np.isinf(values) | (np.isnan(values) & ~missing)
        if bad.any():
            raise FeatureError(
                f"features.py: {name} is {values[bad][0]} in "
                f"{_row(inputs.raw, columns, bad, hidden)} "
                f"({source}); works: a finite number for each row without missing values, for "
                "example with np.where or np.clip"
            )
        if not np.array_equal(values, again[name], equal_nan=True):
            differs = ~((values == again[name]) | (np.isnan(values) & np.isnan(again[name])))
            raise FeatureError(
                f"features.py: {name} differs between two calls in "
                f"{_row(inputs.raw, columns, differs, hidden)} ({source}); works: no random "
                "numbers, no clock"
            )
        alone = np.array([item[name][0] for item in single])
        among = values[: len(alone)]
        differing = ~np.isclose(alone, among, TOLERANCE, TOLERANCE, equal_nan=True)
        if differing.any():
            raise FeatureError(
                f"features.py: {name} is {among[differing][0]} among other rows and "
                f"{alone[differing][0]} alone in "
                f"{_row(inputs.raw, columns, differing, hidden)} ({source}); "
                "works: row by row, without a mean or a rank over the rows; what must be learned "
                "belongs to the estimator"
            )


def _row(
    fields: Fields, columns: Columns, where: NDArray[np.bool_], hidden: Collection[str]
) -> str:
    place = int(np.flatnonzero(where)[0])
    shown = ", ".join(
        f"{field.name}={_shown(field, columns[field.name][place])}"
        for field in fields
        if field.name not in hidden
    )
    return f"row {place} [{shown[:200]}]"


def _shown(field: Field, value: object) -> object:
    """Return a date as its text, since derive() gets its number."""
    return json_value(field, value) if field.kind in DATE_EXAMPLES else value
