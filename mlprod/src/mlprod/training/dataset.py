"""Checked, labeled rows in memory, in an order that does not depend on the engine."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..contract.classes import Classes
from ..contract.dates import DATE_EXAMPLES
from ..contract.encoding import column, json_value
from ..contract.schema import Columns, ContractSchema, Field
from ..contract.validation import CheckReport, ContractViolationError, check, known_label, prepare
from ..project.project import Seam
from .sources import cells_of, load_table


@dataclass(frozen=True)
class Dataset:
    """Labeled rows.

    `y` is float64 [rows]; for a label with classes it holds positions in CLASSES. `units` is object
    [rows]: all rows of a unit stay in one part of a split. `at` is datetime64 [rows], or None
    without EVENT_TIME. `ids` is object [rows]: the ids as text, or None for rows that no table
    holds.
    """

    y: NDArray[np.float64]
    units: NDArray[Any]
    at: NDArray[np.datetime64] | None
    columns: Columns
    ids: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def subset(self, index: NDArray[np.intp]) -> "Dataset":
        """Return the rows at these positions."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return Dataset(
            self.y[index],
            self.units[index],
            None if self.at is None else self.at[index],
            columns,
            None if self.ids is None else self.ids[index],
        )

    def as_dicts(
        self, without: Collection[str] = (), dated: Iterable[Field] = ()
    ) -> list[dict[str, Any]]:
        """Return each row as plain values, None for missing, `without` some fields.

        The fields in `dated` that are dates are ISO 8601 texts, as in a request.
        """
        lists = {
            name: [None if value != value else value for value in values.tolist()]
            for name, values in self.columns.items()
            if name not in without
        }
        for field in dated:
            if field.kind in DATE_EXAMPLES and field.name in lists:
                lists[field.name] = [json_value(field, value) for value in lists[field.name]]
        if not lists:
            return [{} for _ in range(len(self))]
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]

    def digest(self) -> str:
        """Return the sha256 over every value, in order."""
        total = hashlib.sha256(self.y.tobytes())
        for values in (self.units, *(self.columns[name] for name in sorted(self.columns))):
            total.update(
                "\x1f".join(map(str, values)).encode()
                if values.dtype == object
                else values.tobytes()
            )
        if self.at is not None:
            total.update(self.at.astype("datetime64[us]").tobytes())
        return total.hexdigest()


def load_rows(
    seam: Seam, since: datetime | None = None, until: datetime | None = None
) -> tuple[CheckReport, Dataset]:
    """Load and check the rows, and return the report and the labeled rows.

    Raises ContractViolationError if the rows violate the contract.
    """
    return check_rows(seam, load_table(seam.load, since, until))


def check_rows(seam: Seam, table: ir.Table) -> tuple[CheckReport, Dataset]:
    """Check a table, and return the report and its labeled rows.

    Raises ContractViolationError if the rows violate the contract.
    """
    report = check(table, seam.terms, seam.task())
    if not report.ok:
        raise ContractViolationError(report)
    return report, collect(table, seam.terms)


def collect(table: ir.Table, terms: ContractSchema) -> Dataset:
    """Return the labeled rows of a table, ordered by time and id."""
    names = dict.fromkeys(
        name
        for name in (terms.id, terms.unit, terms.time, terms.label, *terms.fields.names)
        if name
    )
    keys = [name for name in (terms.time, terms.id) if name]
    table = prepare(table, terms)
    arrow = table.filter(known_label(table, terms)).select(*names).to_pyarrow()
    # Sorted here, because engines order text differently.
    arrow = arrow.sort_by([(key, "ascending") for key in keys])
    columns = {
        field.name: column(field, cells_of(field, arrow[field.name])) for field in terms.fields
    }
    ids = _texts(arrow[terms.id])
    # Without GROUP each row is a unit of its own, named by its id. So a changed feature never moves
    # the row to another part of the split.
    units = _texts(arrow[terms.unit]) if terms.unit else ids
    at = (
        pc.cast(arrow[terms.time], pa.timestamp("us"), safe=False).to_numpy()
        if terms.time
        else None
    )
    return Dataset(_labels(arrow[terms.label], terms.classes), units, at, columns, ids)


def _labels(cells: Any, classes: Classes) -> NDArray[np.float64]:
    """Return the labels as numbers [rows], or as positions in `classes`."""
    if not classes:
        numbers: NDArray[np.float64] = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        return numbers
    positions = {item: float(place) for place, item in enumerate(classes)}
    return np.array([positions[item] for item in cells.to_pylist()], dtype=np.float64)


def _texts(cells: pa.ChunkedArray) -> NDArray[Any]:
    result = np.empty(len(cells), dtype=object)
    result[:] = [str(value) for value in cells.to_pylist()]
    return result
