"""Encode rows as columns, and columns as one float32 matrix.

Training and serving use the same code, so that they cannot differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dates import DATE_EXAMPLES, date_of, number_of, text_of
from .schema import Columns, Field, Fields


def columns_of(fields: Fields, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of validated rows; each row holds every field, None for missing."""
    return {field.name: column(field, [row[field.name] for row in rows]) for field in fields}


def column(field: Field, values: Iterable[Any]) -> NDArray[Any]:
    """Return one column [rows]: float64 with NaN for missing, or object with None for missing.

    Dates and datetimes may be given as such or as their numbers.
    """
    if field.kind in ("category", "text"):
        array = np.empty(len(listed := list(values)), dtype=object)
        array[:] = listed
        return array
    if field.kind in DATE_EXAMPLES and not isinstance(values, np.ndarray):
        values = list(map(number_of, values))
    return np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)


def json_value(field: Field, value: Any) -> Any:
    """Return one value of a column as JSON has it: None for missing, ISO 8601 for a date."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is None or plain != plain:
        return None
    return text_of(date_of(field.kind, plain)) if field.kind in DATE_EXAMPLES else plain


def encode(fields: Fields, columns: Columns) -> NDArray[np.float32]:
    """Return the matrix [rows, fields] in field order.

    Numbers stay as they are. A category becomes its index, an unknown one the next index, and a
    missing value NaN. Raises KeyError if a column is absent, and ValueError if a field is text.
    """
    rows = len(next(iter(columns.values())))
    matrix = np.empty((rows, len(fields)), dtype=np.float32)
    for position, field in enumerate(fields):
        values = columns[field.name]
        if field.kind == "text":
            raise ValueError(
                f"field {field.name!r} is text, which cannot be encoded as a number; "
                f"works: numbers that derive() in features.py computes from it, or "
                f'RUNTIME = "python" in model.py'
            )
        if field.kind == "category":
            index, unknown = category_codes(field)
            matrix[:, position] = [index.get(value, unknown) for value in values]
        else:
            matrix[:, position] = values
    return matrix


def category_codes(field: Field) -> tuple[dict[Any, float], float]:
    """Return the code of each category of a field, and the code of any unknown one.

    The code of None, a missing value, is NaN.
    """
    return {word: float(code) for code, word in enumerate(field.categories)} | {
        None: np.nan
    }, float(len(field.categories))


class RowEncoder:
    """An encoder of few rows at a time, with the same matrix as `encode`.

    It builds no columns in between, so that it is ten times as fast for one row. A text is encoded
    as 0: no exported model reads it, and only missing texts are counted.
    """

    def __init__(self, fields: Fields) -> None:
        self._names = fields.names
        coded = [
            (place, field)
            for place, field in enumerate(fields)
            if field.kind in ("category", "text")
        ]
        self._codes = [(place, *category_codes(field)) for place, field in coded]
        self._dates = [place for place, field in enumerate(fields) if field.kind in DATE_EXAMPLES]

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Return the matrix [rows, fields]; each row holds every field, None for missing."""
        cells = [[row[name] for name in self._names] for row in rows]
        for position, index, unknown in self._codes:
            for row in cells:
                row[position] = index.get(row[position], unknown)
        for position in self._dates:
            for row in cells:
                row[position] = number_of(row[position])
        return np.array(cells, dtype=np.float32)


def sample_columns(fields: Fields, rows: int, seed: int) -> Columns:
    """Return random columns [rows] within the contract, the same for the same seed.

    About every fourth optional value is missing, and about every fourth value of an open category
    is unknown. The parity check, the probe of a bundle and load tests use them, so that no real row
    is needed or revealed.
    """
    random = np.random.Generator(np.random.Philox(seed))
    columns: dict[str, NDArray[Any]] = {}
    for field in fields:
        if field.kind in ("category", "text"):
            parts = list(field.categories) or ["a few words", "other words here", ""]
            values = np.array(parts, dtype=object)[random.integers(0, len(parts), rows)]
            if field.open:
                values[random.random(rows) < 0.25] = "never seen in training"
        else:
            low, high = field.bounds or (0.0, 1.0)
            values = random.uniform(low, high, rows)
            if field.kind != "number":
                values = np.round(values)
        if field.optional:
            values[random.random(rows) < 0.25] = (
                None if field.kind in ("category", "text") else np.nan
            )
        columns[field.name] = values
    return columns
