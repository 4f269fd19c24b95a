"""Checked, labelled rows in memory, in an order that does not depend on the engine."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..contract.encoding import column
from ..contract.schema import Columns, ContractSchema
from ..contract.validation import CheckReport, ContractViolationError, check, known_label, prepared
from ..project.project import Seam
from .sources import cells_of, loaded


@dataclass(frozen=True)
class Dataset:
    """Labelled rows: `y` float64 [rows], `units` object [rows] (what may not stand on both sides of
    a split).
    """

    y: NDArray[np.float64]
    units: NDArray[Any]
    at: NDArray[np.datetime64] | None
    columns: Columns

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: NDArray[np.intp]) -> "Dataset":
        columns = {name: values[index] for name, values in self.columns.items()}
        return Dataset(
            self.y[index], self.units[index], None if self.at is None else self.at[index], columns
        )

    def as_dicts(self, without: Collection[str] = ()) -> list[dict[str, Any]]:
        """Each row as plain values, None for missing, `without` some fields."""
        lists = {
            name: [None if value != value else value for value in values.tolist()]
            for name, values in self.columns.items()
            if name not in without
        }
        if not lists:
            return [{} for _ in range(len(self))]
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]

    def digest(self) -> str:
        """sha256 over every value, in order."""
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
    """Load, check, and keep the labelled rows.

    Raises ContractViolationError before anything is trained.
    """
    return checked(seam, loaded(seam.load, since, until))


def checked(seam: Seam, table: ir.Table) -> tuple[CheckReport, Dataset]:
    """The same, of a table that is there already."""
    report = check(table, seam.terms, seam.task())
    if not report.ok:
        raise ContractViolationError(report)
    return report, collect(table, seam.terms)


def collect(table: ir.Table, terms: ContractSchema) -> Dataset:
    """The labelled rows of a table, ordered by time and id."""
    names = dict.fromkeys(
        name
        for name in (terms.id, terms.unit, terms.time, terms.label, *terms.fields.names)
        if name
    )
    keys = [name for name in (terms.time, terms.id) if name]
    table = prepared(table, terms)
    arrow = table.filter(known_label(table, terms)).select(*names).to_pyarrow()
    arrow = arrow.sort_by(
        [(key, "ascending") for key in keys]
    )  # here, since engines order words differently
    columns = {
        field.name: column(field, cells_of(field, arrow[field.name])) for field in terms.fields
    }
    units = np.empty(len(arrow), dtype=object)
    # Without a unit a row is its own: dealt by its id, so that a change of a feature never moves it
    # to another part.
    units[:] = [str(unit) for unit in arrow[terms.unit or terms.id].to_pylist()]
    at = (
        pc.cast(arrow[terms.time], pa.timestamp("us"), safe=False).to_numpy()
        if terms.time
        else None
    )
    return Dataset(
        pc.cast(arrow[terms.label], pa.float64(), safe=False).to_numpy(), units, at, columns
    )
