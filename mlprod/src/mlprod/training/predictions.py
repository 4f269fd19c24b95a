"""The predictions of a notebook, from a file with an id and a score."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..contract.classes import score_columns
from ..contract.encoding import column
from ..contract.schema import ContractSchema, Task
from ..files.columns import SCORE, Column, columns_of_fields
from ..files.errors import FileError
from ..files.read import read_table
from .sources import cells_of

# Scores with fewer decimals than this are taken as rounded.
MAX_ROUNDED_DECIMALS = 6
MAX_EXAMPLES = 3
WORKS = 'frame[[ID, "score"]].to_csv("predictions.csv", index=False)'


@dataclass(frozen=True)
class NotebookScores:
    """Ids [rows], scores [rows] or [rows, classes], and the values of the fields in the file.

    `tolerance` is half of the last decimal of a rounded file, else 0.
    """

    ids: list[str]
    scores: NDArray[np.float64]
    fields: Mapping[str, NDArray[Any]]
    tolerance: float = 0.0
    notes: tuple[str, ...] = ()


def read_predictions(file: str, terms: ContractSchema, task: Task) -> NotebookScores:
    """Read a CSV or Parquet file with the id and `score`, or `score_<class>` for each class.

    Columns with the names of fields are compared too. Raises FileError if an id is repeated or a
    score is missing, and if the scores of a classifier are not probabilities.
    """
    names = score_columns(terms.classes) or (SCORE,)
    if taken := set(names) & set(terms.fields.names):
        raise FileError(
            f"{file}: the contract has a field {min(taken)!r} too; works: rename the field"
        )
    fields = (replace(item, required=False) for item in columns_of_fields(terms.fields))
    columns = (Column(terms.id, "id"), *(Column(name, "number") for name in names), *fields)
    with TemporaryDirectory() as folder:
        rows = read_table(file, columns, Path(folder)).table.to_pyarrow()
    ids = [str(id) for id in rows[terms.id].to_pylist()]
    _require_ids(file, terms.id, rows[terms.id], ids)
    scores = np.column_stack([rows[name].cast(pa.float64()).to_numpy() for name in names])
    if (bad := np.flatnonzero(~np.isfinite(scores).all(axis=1))).size:
        raise FileError(
            f"{file}: {bad.size:,} rows have no finite score, for example {terms.id} "
            f"{_shown(ids, bad)}; works: {WORKS.replace('ID', repr(terms.id))}"
        )
    if task != "regression":
        _require_probabilities(file, terms.id, ids, scores)
    scores = scores if terms.classes else scores[:, 0]
    extra = {
        item.name: column(item, cells_of(item, rows[item.name]))
        for item in terms.fields
        if item.name in rows.column_names
    }
    tolerance, notes = _rounding(scores)
    return NotebookScores(ids, scores, extra, tolerance, notes)


def _require_ids(file: str, name: str, cells: pa.ChunkedArray, ids: list[str]) -> None:
    if cells.null_count:
        raise FileError(f"{file}: {cells.null_count:,} rows have no {name}; works: fill it in")
    if repeated := [id for id, count in Counter(ids).items() if count > 1]:
        raise FileError(
            f"{file}: {name} {repeated[0]!r} is in more than one row; works: one row for each id, "
            f"as drop_duplicates({name!r}) leaves"
        )


def _require_probabilities(
    file: str, name: str, ids: list[str], scores: NDArray[np.float64]
) -> None:
    works = f"works: model.predict_proba(X){'[:, 1]' if scores.shape[1] == 1 else ''}"
    if (outside := np.argwhere((scores < 0) | (scores > 1))).size:
        row, place = outside[0]
        raise FileError(
            f"{file}: the score {scores[row, place]:g} of {name} {ids[row]!r} is not a "
            f"probability; {works}"
        )
    if np.isin(scores, (0.0, 1.0)).all():
        raise FileError(f"{file}: all scores are 0 or 1, so they are classes; {works}")


def _rounding(scores: NDArray[np.float64]) -> tuple[float, tuple[str, ...]]:
    for decimals in range(MAX_ROUNDED_DECIMALS + 1):
        if np.array_equal(np.round(scores, decimals), scores):
            note = f"the scores of the file are rounded to {decimals} decimals"
            return 0.5 * 10.0**-decimals + 1e-9, (note,)
    return 0.0, ()


def _shown(ids: list[str], places: NDArray[np.intp]) -> str:
    return ", ".join(repr(ids[place]) for place in places[:MAX_EXAMPLES])
