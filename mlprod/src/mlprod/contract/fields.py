"""The fields of a row: their kinds, bounds, categories and meaning."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Kind = Literal["number", "integer", "boolean", "category", "text", "date", "datetime"]
Task = Literal["binary", "regression", "multiclass"]
Columns = Mapping[str, NDArray[Any]]
"""Field name → array [rows].

Numbers are float64 with NaN for missing. Categories and text are object with None for missing. A
date is the number of days since 1970-01-01, a datetime that of seconds since 1970-01-01 UTC.
"""

# The largest range in which float32 holds every integer.
EXACT_IN_FLOAT32 = 2**24
MAX_NUMBER = float(np.finfo(np.float32).max)
# Characters of a category, and of a text without a limit of its own.
MAX_TEXT_LENGTH = 1_000
# Characters of an id or a unit.
MAX_ID_LENGTH = 128
# A request has these names beside the fields.
RESERVED = ("id", "unit")


class ContractError(ValueError):
    """The contract itself is not valid; the message names the field and shows what works."""


class Contract(BaseModel):
    """Base class of a row: strict types, no extra fields, no infinities, limited text lengths."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, str_max_length=MAX_TEXT_LENGTH
    )


@dataclass(frozen=True)
class Field:
    """One field of a row.

    `bounds` are inclusive; those of a date or datetime are its numbers in a column. `categories`
    are in encoding order. An `open` field also accepts other categories, as unknown ones.
    """

    name: str
    kind: Kind
    optional: bool = False
    bounds: tuple[float, float] | None = None
    categories: tuple[str, ...] = ()
    open: bool = False
    # Characters of a text.
    longest: int = 0
    description: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Fields:
    """The fields of a row in contract order.

    Positions are columns of the encoded matrix [rows, fields].
    """

    items: tuple[Field, ...]

    def __iter__(self) -> Iterator[Field]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Field:
        return next(field for field in self.items if field.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.items)

    @property
    def categorical(self) -> list[int]:
        """The positions of the category fields."""
        return [i for i, field in enumerate(self.items) if field.kind == "category"]

    @property
    def numeric(self) -> list[int]:
        """The positions of numbers, integers, booleans, dates and datetimes."""
        return [i for i, field in enumerate(self.items) if field.kind not in ("category", "text")]

    def digest(self) -> str:
        """Return the SHA-256 of the fields, with their kinds, limits and descriptions."""
        return hashlib.sha256(repr(self.items).encode()).hexdigest()

    def codes(self, position: int) -> NDArray[np.float32]:
        """Return the codes of a category column: one for each category, then one for unknown.

        A missing value is NaN and has no code here.
        """
        return np.arange(len(self.items[position].categories) + 1, dtype=np.float32)
