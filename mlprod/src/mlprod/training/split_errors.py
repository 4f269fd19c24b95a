"""Why rows cannot be split, with the column that causes it and the remedy that helps there."""

import numpy as np
from numpy.typing import NDArray

from ..contract.schema import ContractSchema
from .dataset import Dataset

SMALLEST = 30  # rows that each part needs at least
FEW_UNITS = 20  # with fewer, chance decides whether a part gets any
MOST_OF_A_TIME = 0.7  # of the rows at one time: as split.PAST, nothing is left before it


def too_few(rows: Dataset, part: str, found: int, terms: ContractSchema | None) -> str:
    """The message for a part with fewer than SMALLEST rows."""
    reached = f"{found} of {len(rows):,} labelled rows fall to {part}; it needs {SMALLEST}"
    if len(rows) < 4 * SMALLEST:  # no column is to blame
        return f"{reached}: load more rows"
    return f"{reached}: {_time(rows, terms) or _unit(rows, terms) or 'load more rows'}"


def one_class(
    rows: Dataset, part: str, positions: NDArray[np.intp], terms: ContractSchema | None
) -> str:
    """The message for a part of a classifier's rows in which every label is the same."""
    label, here = terms.label if terms else "the label", rows.y[positions[0]]
    values, counts = np.unique(rows.y, return_counts=True)
    if len(values) < 2:
        return (
            f"{label} is {here:g} in all {len(rows):,} labelled rows; a classifier needs "
            f"rows with 0 and rows with 1. "
            f"Look at how load() makes {label}, or load a period in which both occur"
        )
    other = values[values != here][0]
    which = rows.y == other
    where = (
        f" between {_shown(rows.at[which].min())} and {_shown(rows.at[which].max())}"
        if rows.at is not None
        else ""
    )
    return (
        f"all {len(positions):,} rows of {part} have the label {here:g}: {label} is {other:g} in "
        f"{int(counts[values == other][0]):,} of {len(rows):,} labelled rows{where}, in "
        f"{len(set(rows.units[which])):,} units. Load more rows with the label {other:g}"
    )


def _time(rows: Dataset, terms: ContractSchema | None) -> str:
    if rows.at is None:
        return ""
    times, counts = np.unique(rows.at, return_counts=True)
    most = int(counts.max())
    if (
        most < MOST_OF_A_TIME * len(rows)
        and rows.at.min() < np.sort(rows.at)[int(len(rows) * MOST_OF_A_TIME)]
    ):
        return ""
    name = (terms and terms.time) or "EVENT_TIME"
    return (
        f"{name} has {len(times):,} distinct value{'s' if len(times) > 1 else ''}, and "
        f"{most:,} rows are at "
        f"{_shown(times[counts.argmax()])}, so too few rows lie before the time from which "
        f"a model is measured. "
        f"Let EVENT_TIME name a column that says when each row happened, or write "
        f"EVENT_TIME = None for a random split"
    )


def _unit(rows: Dataset, terms: ContractSchema | None) -> str:
    units, counts = np.unique(rows.units.astype(str), return_counts=True)
    largest = int(counts.max())
    if len(units) >= FEW_UNITS and largest < len(rows) / 4:
        return ""
    name = (terms and (terms.unit or terms.id)) or "GROUP"
    return (
        f"{name} has {len(units):,} distinct values, and "
        f"{str(units[counts.argmax()])[:40]!r} stands in {largest:,} "
        f"rows; all rows of a unit go to one part. Let GROUP name a column with at least "
        f"{FEW_UNITS} values of "
        f"similar size, or write GROUP = None to split row by row"
    )


def _shown(at: np.datetime64) -> str:
    return str(at.astype("datetime64[s]")).replace("T", " ")
