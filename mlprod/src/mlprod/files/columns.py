"""Which columns a command reads from a file, and what their cells mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract.schema import ContractSchema, Field
from ..contract.words import by_look, explained, folded, listed
from .errors import FileError

SCORE = "score"


@dataclass(frozen=True)
class Column:
    """A column by the name of its first line.

    `words` are a category's; `required` where a command needs it.
    """

    name: str
    kind: str
    words: frozenset[str] = frozenset()
    required: bool = True


def require_columns(path: Path, names: Sequence[str], columns: Iterable[Column]) -> None:
    """Raises FileError when a required column is not among the names of a file."""
    absent = [column.name for column in columns if column.required and column.name not in names]
    if not absent:
        return
    looks = by_look(names)
    near = [
        f"{name!r} ({explained(looks[folded(name)], {folded(name): name})})"
        for name in absent
        if folded(name) in looks
    ]
    shown = listed(map(repr, absent))
    raise FileError(
        f"{path}: it has no column {shown}, which the model needs; it has {listed(names)}"
        + (f". Other names for them: {listed(near)}; rename them" if near else "")
    )


def of_fields(fields: Iterable[Field]) -> tuple[Column, ...]:
    """The fields of a contract or of a bundle."""
    return tuple(Column(field.name, field.kind, frozenset(field.categories)) for field in fields)


def of_terms(terms: ContractSchema) -> tuple[Column, ...]:
    """Everything that a contract names; a file may come without GROUP, EVENT_TIME and LABEL."""
    beside = [(terms.unit, "id"), (terms.time, "time"), (terms.label, "label")]
    optional = [Column(name, kind, required=False) for name, kind in beside if name]
    return (Column(terms.id, "id"), *of_fields(terms.fields), *optional)


def of_scoring(terms: ContractSchema) -> tuple[Column, ...]:
    """What is scored and recorded."""
    return tuple(column for column in of_terms(terms) if column.kind not in ("time", "label"))


def of_scored(fields: Iterable[Field]) -> tuple[Column, ...]:
    """Fields, and a column `score` if there is one."""
    result = of_fields(fields)
    score = Column(SCORE, "number", required=False)
    return result if SCORE in (column.name for column in result) else (*result, score)
