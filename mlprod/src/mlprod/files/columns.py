"""The columns that a command reads from a file, and their kinds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract.classes import class_names, label_kind
from ..contract.schema import ContractSchema, Field
from ..contract.words import by_folded_text, describe_category, fold, join_shortened
from .errors import FileError

SCORE = "score"


@dataclass(frozen=True)
class Column:
    """A column of a file, by its name in the first line.

    `categories` are the known ones of a category. `required`: whether a file must have the column.
    """

    name: str
    kind: str
    categories: frozenset[str] = frozenset()
    required: bool = True


def require_columns(path: Path, names: Sequence[str], columns: Iterable[Column]) -> None:
    """Raises FileError if `names` of a file miss a required column."""
    absent = [column.name for column in columns if column.required and column.name not in names]
    if not absent:
        return
    looks = by_folded_text(names)
    near = [
        f"{name!r} ({describe_category(looks[fold(name)], {fold(name): name})})"
        for name in absent
        if fold(name) in looks
    ]
    shown = join_shortened(map(repr, absent))
    raise FileError(
        f"{path}: it has no column {shown}, which the model needs; it has {join_shortened(names)}"
        + (f". Similar names: {join_shortened(near)}; rename them" if near else "")
    )


def columns_of_fields(fields: Iterable[Field]) -> tuple[Column, ...]:
    """Return the columns of the fields of a contract or of a bundle."""
    return tuple(Column(field.name, field.kind, frozenset(field.categories)) for field in fields)


def columns_of_contract(terms: ContractSchema) -> tuple[Column, ...]:
    """Return all columns of a contract. GROUP, EVENT_TIME and LABEL are optional in a file."""
    beside = [(terms.unit, "id"), (terms.time, "time")]
    optional = [Column(name, kind, required=False) for name, kind in beside if name]
    classes = frozenset(class_names(terms.classes))
    label = Column(terms.label, label_kind(terms.classes), classes, required=False)
    return (Column(terms.id, "id"), *columns_of_fields(terms.fields), *optional, label)


def columns_to_score(terms: ContractSchema) -> tuple[Column, ...]:
    """Return the columns that are scored and recorded."""
    return tuple(
        column
        for column in columns_of_contract(terms)
        if column.kind != "time" and column.name != terms.label
    )


def columns_of_scored(fields: Iterable[Field]) -> tuple[Column, ...]:
    """Return the columns of the fields, and an optional column `score`."""
    result = columns_of_fields(fields)
    score = Column(SCORE, "number", required=False)
    return result if SCORE in (column.name for column in result) else (*result, score)
