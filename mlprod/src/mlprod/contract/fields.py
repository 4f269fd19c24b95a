"""The fields of a row: their kinds, bounds, words and meaning."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Kind = Literal["number", "integer", "boolean", "category", "text"]
Task = Literal["binary", "regression"]
Columns = Mapping[str, NDArray[Any]]
"""Field name → array [rows]: numbers as float64 with NaN for missing, categories and text as object with None."""

EXACT_IN_FLOAT32 = 2**24  # the largest range in which float32 holds every integer
MAX_NUMBER = float(np.finfo(np.float32).max)
MAX_LENGTH = 1_000  # characters of a word, and of a text that sets no limit of its own
MAX_ID_LENGTH = 128  # characters of an id or a unit
RESERVED = ("id", "unit")  # a request carries these beside the fields


class ContractError(ValueError):
    """The contract itself is wrong; the message names the field and shows what works."""


class Contract(BaseModel):
    """Base of the row: strict types, nothing extra, no infinities, no word without an end."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, str_max_length=MAX_LENGTH
    )


@dataclass(frozen=True)
class Field:
    """One field of a row.

    `bounds` are inclusive, `categories` in encoding order; `open` scores others as unknown.
    """

    name: str
    kind: Kind
    optional: bool = False
    bounds: tuple[float, float] | None = None
    categories: tuple[str, ...] = ()
    open: bool = False
    longest: int = 0  # characters of a text
    description: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Fields:
    """The fields of a row in contract order; positions are columns of the encoded matrix [rows,
    fields].
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
        """Positions of the category fields."""
        return [i for i, field in enumerate(self.items) if field.kind == "category"]

    @property
    def numeric(self) -> list[int]:
        """Positions of numbers, integers and booleans."""
        return [i for i, field in enumerate(self.items) if field.kind not in ("category", "text")]

    def digest(self) -> str:
        """sha256 of what the contract says of its fields."""
        return hashlib.sha256(repr(self.items).encode()).hexdigest()

    def codes(self, position: int) -> NDArray[np.float32]:
        """Codes that a category column may hold: one for each category, then one for unknown;
        missing is NaN.
        """
        return np.arange(len(self.items[position].categories) + 1, dtype=np.float32)
