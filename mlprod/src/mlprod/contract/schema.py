"""The schema of a contract: a pydantic model and constants, read and checked.

The fields of the model carry type, bounds, allowed values and meaning.
"""

import inspect
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..deprecated import read_constant
from .allowed import class_violation
from .classes import Classes, class_names, read_classes, score_columns
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
    "read_contract",
    "read_fields",
]

# The columns beside the id in a file of scores.
SCORE_FILE_COLUMNS = ("score", "decision", "refused", "arm", "model_version", "mode", "at")


@dataclass(frozen=True)
class ContractSchema:
    """The content of `contract.py`: the class of a row, its fields and the constants."""

    row: type[Contract]
    fields: Fields
    id: str
    unit: str | None
    time: str | None
    label: str
    slices: tuple[str, ...]
    personal: tuple[str, ...]
    # The classes of the label in the order of the scores; empty for 0 and 1, and for a number.
    classes: Classes = ()


def read_fields(row: type[Contract]) -> Fields:
    """Read the fields of a contract class.

    Raises ContractError if a field cannot be checked, encoded or explained.
    """
    if violation := class_violation(row, Contract):
        raise ContractError(violation)
    fields = Fields(tuple(read_field(name, info) for name, info in row.model_fields.items()))
    if not fields.items:
        raise ContractError(
            f"{row.__name__} has no fields; works: at least one, such as "
            f"amount: float = Field(ge=0, le=1000, ...)"
        )
    return fields


def read_contract(module: ModuleType) -> ContractSchema:
    """Read the schema from a contract module: its one Contract class and its constants.

    Raises ContractError if the class or a constant is not valid.
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
            f"{module.__name__} must define one Contract class; "
            f"it defines {[row.__name__ for row in rows]}"
        )
    fields = read_fields(rows[0])
    constants = {
        name: read_constant(module, name) for name in ("ID", "GROUP", "EVENT_TIME", "LABEL")
    }
    for name, column in constants.items():
        if not _names_a_column(column) and (column is not None or name in ("ID", "LABEL")):
            works = f'{name} = "order_{name.lower()}"'
            raise ContractError(
                f"{module.__name__}: {name} must name a column; given {column!r}; works: {works}"
            )
    classes = read_classes(module)
    _require_different(class_names(classes))
    of_scores = {*SCORE_FILE_COLUMNS, *(name.casefold() for name in score_columns(classes))}
    if str(constants["ID"]).casefold() in of_scores:
        raise ContractError(
            f"{module.__name__}: ID = {constants['ID']!r}, and a file of scores has a column "
            f"{constants['ID']!r} of its own; works: rename the column in load(), "
            f'for example to ID = "order_id"'
        )
    named = [column for column in constants.values() if column is not None]
    if len(set(named)) < len(named):
        raise ContractError(
            f"{module.__name__}: ID, GROUP, EVENT_TIME and LABEL must name different columns; "
            f"given {named}"
        )
    listed = {name: read_constant(module, name, ()) for name in ("SLICES", "PII")}
    for name, value in listed.items():
        if isinstance(value, str):
            raise ContractError(
                f"{module.__name__}: {name} must be a tuple; given {value!r}; "
                f'works: ("{value}",) with a comma'
            )
    slices, personal = tuple(listed["SLICES"]), tuple(listed["PII"])
    for name in ("ID", "GROUP", "EVENT_TIME", "LABEL"):
        if constants[name] in fields.names:
            raise ContractError(
                f"{module.__name__}: {name} = {constants[name]!r} is also a field, so the model "
                f"would learn from it; works: remove the field"
            )
    _require_different([*fields.names, *named])
    for name in slices:
        if name not in fields.names or fields[name].kind not in ("category", "boolean"):
            raise ContractError(
                f"{module.__name__}: SLICES names {name!r}; works: a category or boolean field"
            )
    if strangers := set(personal) - set(fields.names):
        raise ContractError(
            f"{module.__name__}: PII names {sorted(strangers)}; works: names of fields"
        )
    return ContractSchema(
        rows[0],
        fields,
        str(constants["ID"]),
        constants["GROUP"],
        constants["EVENT_TIME"],
        str(constants["LABEL"]),
        slices,
        personal,
        classes,
    )


def _names_a_column(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and name == name.strip() != ""


def _require_different(names: Iterable[str]) -> None:
    """Raises ContractError if two names differ by case or Unicode form alone.

    Engines such as DuckDB treat them as one name.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other != name:
            raise ContractError(
                f"{other!r} and {name!r} differ by case or Unicode form alone, and databases "
                f"treat them as one column; works: rename one of them"
            )
