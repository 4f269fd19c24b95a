"""What a contract may say: a pydantic model whose fields carry type, bounds, allowed values and meaning."""

import hashlib
import inspect
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Kind = Literal["number", "integer", "boolean", "category", "text"]
Task = Literal["binary", "regression"]
Columns = Mapping[str, NDArray[Any]]
"""Field name → array [rows]: numbers as float64 with NaN for missing, categories and text as object with None."""

EXACT_IN_FLOAT32 = 2**24  # the largest range in which float32 holds every integer
RESERVED = ("id", "unit")  # a request carries these beside the fields


class ContractError(ValueError):
    """The contract itself is wrong; the message names the field and shows what works."""


class Contract(BaseModel):
    """Base of the row: strict types, nothing extra, no infinities."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Field:
    """One field of a row. `bounds` are inclusive, `categories` in encoding order; `open` scores others as unknown."""

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
    """The fields of a row in contract order; positions are columns of the encoded matrix [rows, fields]."""

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
        """Codes that a category column may hold: one for each category, then one for unknown; missing is NaN."""
        return np.arange(len(self.items[position].categories) + 1, dtype=np.float32)


@dataclass(frozen=True)
class Terms:
    """Everything that `domain/contract.py` says."""

    row: type[Contract]
    fields: Fields
    id: str
    unit: str | None
    time: str | None
    label: str
    slices: tuple[str, ...]
    personal: tuple[str, ...]


def read_fields(row: type[Contract]) -> Fields:
    """Fields of a contract class. Raises ContractError for what cannot be checked, encoded or explained."""
    rules = row.__pydantic_decorators__
    if rules.field_validators or rules.model_validators:
        raise ContractError(
            f"{row.__name__} has validators of its own, which the data check cannot run; use bounds and sets"
        )
    fields = Fields(tuple(_field(name, info) for name, info in row.model_fields.items()))
    if not fields.items:
        raise ContractError(
            f"{row.__name__} has no fields. Write at least one: amount: float = Field(ge=0, le=1000, ...)"
        )
    return fields


def read_terms(module: ModuleType) -> Terms:
    """The terms in a contract module: its one Contract class and its constants. Raises ContractError."""
    rows = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Contract) and value.__module__ == module.__name__
    ]
    if len(rows) != 1:
        raise ContractError(f"{module.__name__} must define one Contract class, found {[row.__name__ for row in rows]}")
    fields = read_fields(rows[0])
    said = {name: getattr(module, name, None) for name in ("ID", "UNIT", "TIME", "LABEL")}
    for name, column in said.items():
        if not isinstance(column, str) and (column is not None or name in ("ID", "LABEL")):
            works = f'{name} = "order_{name.lower()}"'
            raise ContractError(f"{module.__name__}: {name} must name a column, for example {works}; got {column!r}")
    named = [column for column in said.values() if column is not None]
    if len(set(named)) < len(named):
        raise ContractError(f"{module.__name__}: ID, UNIT, TIME and LABEL must name different columns, got {named}")
    for name in ("SLICES", "PERSONAL"):
        if isinstance(getattr(module, name, ()), str):
            raise ContractError(f'{module.__name__}: {name} is a tuple: ("{getattr(module, name)}",) with a comma')
    slices, personal = (tuple(getattr(module, name, ())) for name in ("SLICES", "PERSONAL"))
    for name in ("ID", "UNIT", "TIME", "LABEL"):
        if said[name] in fields.names:
            raise ContractError(
                f"{module.__name__}: {name} = {said[name]!r} is also a field: the model would learn from it"
            )
    for name in slices:
        if name not in fields.names or fields[name].kind not in ("category", "boolean"):
            raise ContractError(f"{module.__name__}: SLICES names {name!r}; a slice is a category or boolean field")
    if strangers := set(personal) - set(fields.names):
        raise ContractError(f"{module.__name__}: PERSONAL names {sorted(strangers)}, which are no fields")
    return Terms(rows[0], fields, str(said["ID"]), said["UNIT"], said["TIME"], str(said["LABEL"]), slices, personal)


def _field(name: str, info: FieldInfo) -> Field:
    if name in RESERVED:
        raise ContractError(
            f"field {name!r}: the name is taken, a request carries it beside the fields; rename the field"
        )
    if not info.description:
        raise ContractError(f'field {name!r} says nothing of its meaning; add description="..."')
    base, optional = _without_none(info.annotation)
    if optional and info.is_required():
        raise ContractError(f"field {name!r} may be None but has no default; write Field(default=None, ...)")
    for limit in info.metadata:
        if not any(hasattr(limit, known) for known in ("ge", "le", "max_length")):
            raise ContractError(
                f"field {name!r}: {limit!r} is not checked on the data; use ge, le, Literal or max_length"
            )
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    facts: dict[str, Any] = {"optional": optional, "description": info.description, "unit": str(extra.get("unit", ""))}
    if get_origin(base) is Literal:
        return Field(name, "category", categories=_words(name, get_args(base)), **facts)
    if base is str and "known" in extra:
        known = extra["known"]
        return Field(
            name,
            "category",
            categories=_words(name, tuple(known) if isinstance(known, list) else ()),
            open=True,
            **facts,
        )
    if base is str and (longest := _limit(info, "max_length")) is not None:
        return Field(name, "text", longest=int(longest), **facts)
    if base is bool:
        return Field(name, "boolean", **facts)
    if base in (int, float):
        return Field(name, "integer" if base is int else "number", bounds=_bounds(name, info, base), **facts)
    raise ContractError(
        f"field {name!r} has type {info.annotation}; use float or int with ge and le, bool, Literal of words, "
        'str with json_schema_extra={"known": [...]}, or str with max_length (runtime python only)'
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return (inner[0] if len(inner) == 1 else annotation), True


def _words(name: str, values: tuple[Any, ...]) -> tuple[str, ...]:
    if not values or not all(isinstance(value, str) for value in values) or len(set(values)) != len(values):
        raise ContractError(
            f'field {name!r}: categories must be different words, for example ["chip", "online"]; got {values}'
        )
    return values


def _limit(info: FieldInfo, attribute: str) -> float | None:
    return next((getattr(item, attribute) for item in info.metadata if hasattr(item, attribute)), None)


def _bounds(name: str, info: FieldInfo, base: type) -> tuple[float, float]:
    low, high = _limit(info, "ge"), _limit(info, "le")
    largest = EXACT_IN_FLOAT32 if base is int else float(np.finfo(np.float32).max)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise ContractError(
            f"field {name!r} needs finite bounds, for example Field(ge=0, le=50_000); got ge={low}, le={high}"
        )
    if max(abs(low), abs(high)) > largest:
        raise ContractError(
            f"field {name!r}: bounds {low} to {high} do not fit the model's float32 (at most {largest:g})"
        )
    return (low, high)
