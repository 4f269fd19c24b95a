"""Messages about rows that cannot be split, with the column that causes it and the remedy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..contract.classes import class_names
from ..contract.schema import ContractSchema
from ..contract.words import join_shortened
from .dataset import Dataset

# Each part needs at least this number of rows.
MIN_PART_ROWS = 30
# With fewer units chance decides whether a part gets any.
MIN_UNITS = 20
# If more of the rows have the same time, none is left before it: equals split.TRAIN_TIME_SHARE.
MAX_SHARE_AT_ONE_TIME = 0.7


def describe_too_few_rows(
    rows: Dataset, part: str, count: int, terms: ContractSchema | None
) -> str:
    """Describe why a part has fewer than MIN_PART_ROWS rows, and the remedy."""
    problem = f"{part} has {count} of {len(rows):,} labeled rows; it needs {MIN_PART_ROWS}"
    # With so few rows no column is the cause.
    if len(rows) < 4 * MIN_PART_ROWS:
        return f"{problem}: load more rows"
    return f"{problem}: {_time(rows, terms) or _unit(rows, terms) or 'load more rows'}"


def describe_one_class(
    rows: Dataset, part: str, positions: NDArray[np.intp], terms: ContractSchema | None
) -> str:
    """Describe why all labels of a part are the same, and the remedy."""
    label, here = terms.label if terms else "the label", rows.y[positions[0]]
    values, counts = np.unique(rows.y, return_counts=True)
    if len(values) < 2:
        return (
            f"{label} is {here:g} in all {len(rows):,} labeled rows; a classifier needs "
            f"rows with 0 and rows with 1. Check how load() computes {label}, or load a period "
            "in which both occur"
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
        f"{int(counts[values == other][0]):,} of {len(rows):,} labeled rows{where}, in "
        f"{len(set(rows.units[which])):,} units. Load more rows with the label {other:g}"
    )


def describe_absent_classes(
    rows: Dataset, part: str, absent: Sequence[int], terms: ContractSchema
) -> str:
    """Describe which classes have no row in a part, how many rows each class has, and the remedy.

    `absent` has their positions in CLASSES.
    """
    names = class_names(terms.classes)
    counts = np.bincount(rows.y.astype(np.intp), minlength=len(names)).tolist()
    missing = join_shortened(repr(names[place]) for place in absent)
    every = join_shortened(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
    return (
        f"{part} has no row of {'the class' if len(absent) == 1 else 'the classes'} {missing}. "
        f"Labeled rows by class: {every}. A model needs each class in train and in test. Load "
        "more rows of it, combine it with another class in load(), or remove it from CLASSES in "
        "contract.py and leave its rows out in load()"
    )


def _time(rows: Dataset, terms: ContractSchema | None) -> str:
    if rows.at is None:
        return ""
    times, counts = np.unique(rows.at, return_counts=True)
    most = int(counts.max())
    if (
        most < MAX_SHARE_AT_ONE_TIME * len(rows)
        and rows.at.min() < np.sort(rows.at)[int(len(rows) * MAX_SHARE_AT_ONE_TIME)]
    ):
        return ""
    name = (terms and terms.time) or "EVENT_TIME"
    return (
        f"{name} has {len(times):,} distinct value{'s' if len(times) > 1 else ''}, and "
        f"{most:,} rows are at {_shown(times[counts.argmax()])}. So too few rows are earlier "
        "than the test rows. Let EVENT_TIME name the column with the time of each row, or write "
        "EVENT_TIME = None for a random split"
    )


def _unit(rows: Dataset, terms: ContractSchema | None) -> str:
    units, counts = np.unique(rows.units.astype(str), return_counts=True)
    largest = int(counts.max())
    if len(units) >= MIN_UNITS and largest < len(rows) / 4:
        return ""
    name = (terms and (terms.unit or terms.id)) or "GROUP"
    return (
        f"{name} has {len(units):,} distinct values, and "
        f"{str(units[counts.argmax()])[:40]!r} is in {largest:,} rows. All rows with the same "
        f"value go to one part. Let GROUP name a column with at least {MIN_UNITS} values of "
        "similar size, or write GROUP = None to split row by row"
    )


def _shown(at: np.datetime64) -> str:
    return str(at.astype("datetime64[s]")).replace("T", " ")
