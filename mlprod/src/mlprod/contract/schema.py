"""What a contract may say: a pydantic model whose fields carry type, bounds, allowed values and
meaning.
"""

import inspect
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..deprecated import constant
from .allowed import class_violation
from .field_rules import read_field
from .fields import EXACT_IN_FLOAT32, Columns, Contract, ContractError, Field, Fields, Kind, Task

__all__ = [
    "EXACT_IN_FLOAT32",
    "Columns",
    "Contract",
    "ContractError",
    "ContractSchema",
    "Field",
    "Fields",
    "Kind",
    "Task",
    "read_fields",
    "read_terms",
]

BESIDE_SCORES = (
    "score",
    "decision",
    "refused",
    "arm",
    "model_version",
    "mode",
    "at",
)  # the id's neighbors in a file


@dataclass(frozen=True)
class ContractSchema:
    """Everything that `contract.py` says."""

    row: type[Contract]
    fields: Fields
    id: str
    unit: str | None
    time: str | None
    label: str
    slices: tuple[str, ...]
    personal: tuple[str, ...]


def read_fields(row: type[Contract]) -> Fields:
    """Fields of a contract class.

    Raises ContractError for what cannot be checked, encoded or explained.
    """
    if violation := class_violation(row, Contract):
        raise ContractError(violation)
    fields = Fields(tuple(read_field(name, info) for name, info in row.model_fields.items()))
    if not fields.items:
        raise ContractError(
            f"{row.__name__} has no fields. Write at least one: amount: float = "
            f"Field(ge=0, le=1000, ...)"
        )
    return fields


def read_terms(module: ModuleType) -> ContractSchema:
    """The terms in a contract module: its one Contract class and its constants.

    Raises ContractError.
    """
    rows = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Contract)
        and value.__module__ == module.__name__
    ]
    if len(rows) != 1:
        raise ContractError(
            f"{module.__name__} must define one Contract class, found "
            f"{[row.__name__ for row in rows]}"
        )
    fields = read_fields(rows[0])
    message = {name: constant(module, name) for name in ("ID", "GROUP", "EVENT_TIME", "LABEL")}
    for name, column in message.items():
        if not _names_a_column(column) and (column is not None or name in ("ID", "LABEL")):
            works = f'{name} = "order_{name.lower()}"'
            raise ContractError(
                f"{module.__name__}: {name} must name a column, for example {works}; got {column!r}"
            )
    if str(message["ID"]).casefold() in BESIDE_SCORES:
        raise ContractError(
            f"{module.__name__}: ID = {message['ID']!r}, and a file of scores has a column "
            f"{message['ID']!r} of its own; "
            'rename the column in load(), for example ID = "order_id"'
        )
    named = [column for column in message.values() if column is not None]
    if len(set(named)) < len(named):
        raise ContractError(
            f"{module.__name__}: ID, GROUP, EVENT_TIME and LABEL must name different "
            f"columns, got {named}"
        )
    listed = {name: constant(module, name, ()) for name in ("SLICES", "PII")}
    for name, value in listed.items():
        if isinstance(value, str):
            raise ContractError(f'{module.__name__}: {name} is a tuple: ("{value}",) with a comma')
    slices, personal = tuple(listed["SLICES"]), tuple(listed["PII"])
    for name in ("ID", "GROUP", "EVENT_TIME", "LABEL"):
        if message[name] in fields.names:
            raise ContractError(
                f"{module.__name__}: {name} = {message[name]!r} is also a field: the model "
                f"would learn from it"
            )
    _demand_different([*fields.names, *named])
    for name in slices:
        if name not in fields.names or fields[name].kind not in ("category", "boolean"):
            raise ContractError(
                f"{module.__name__}: SLICES names {name!r}; a slice is a category or boolean field"
            )
    if strangers := set(personal) - set(fields.names):
        raise ContractError(
            f"{module.__name__}: PII names {sorted(strangers)}, which are no fields"
        )
    return ContractSchema(
        rows[0],
        fields,
        str(message["ID"]),
        message["GROUP"],
        message["EVENT_TIME"],
        str(message["LABEL"]),
        slices,
        personal,
    )


def _names_a_column(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and name == name.strip() != ""


def _demand_different(names: Iterable[str]) -> None:
    """Engines such as DuckDB take names that differ by case alone for one. Raises ContractError."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other != name:
            raise ContractError(
                f"{other!r} and {name!r} differ by case or Unicode form alone, and "
                f"databases take them for one column; "
                "rename one of them"
            )
