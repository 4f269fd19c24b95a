"""A split by ids that data.py gives in SPLIT, such as the split of a notebook."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..project.project import Seam
from .dataset import Dataset
from .split import (
    TRAIN_SHARE,
    VALIDATION_SHARE,
    LeakageError,
    Split,
    SplitError,
    hash_shares,
    require_classes,
    split,
    verify_split,
)
from .split_errors import MIN_PART_ROWS

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
WORKS = 'SPLIT = {"train": train_ids, "test": test_ids}'
MAX_EXAMPLES = 3


def split_rows(seam: Seam, rows: Dataset) -> Split:
    """Split the rows as SPLIT of data.py says, or without it by unit and time.

    SPLIT maps "train" and "test" to ids, or is a function from an id to one of these. A part
    "validation" may be given too; without it a fifth of the training units gives the threshold.
    Raises SplitError if SPLIT does not fit the rows, and LeakageError if a unit is in two parts.
    """
    if seam.own_split is None:
        return split(rows, seam.task(), seam.terms)
    ids = rows.units if rows.ids is None else rows.ids
    named = np.array(_parts(seam.own_split, list(map(str, ids)), seam.terms.id), dtype=object)
    chooses = named == VALIDATION
    if not chooses.any():
        share = VALIDATION_SHARE / (TRAIN_SHARE + VALIDATION_SHARE)
        chooses = (named == TRAIN) & (hash_shares(rows.units) < share)
    learns = (named == TRAIN) & ~chooses
    parts = Split(*map(np.flatnonzero, (learns, chooses, named == TEST)))
    for name, part in zip(PARTS, (parts.train, parts.validation, parts.test), strict=True):
        if len(part) < MIN_PART_ROWS:
            raise SplitError(
                f"data.py: SPLIT leaves {len(part)} of {len(rows):,} labeled rows to {name}; "
                f"a part needs {MIN_PART_ROWS}. Works: give more ids to it, or remove SPLIT"
            )
        if seam.task() == "binary" and len(np.unique(rows.y[part])) < 2:
            raise SplitError(
                f"data.py: SPLIT gives {name} rows with one label only. Works: a stratified split, "
                f"such as train_test_split(..., stratify=frame.{seam.terms.label})"
            )
        if seam.terms.classes and name != VALIDATION:
            require_classes(rows, name, part, seam.terms)
    try:
        # A notebook may split at random although rows have times; split_warnings() reports it.
        verify_split(replace(rows, at=None), parts)
    except LeakageError as error:
        raise LeakageError(
            f"data.py: SPLIT: {error}. All rows with the same {seam.terms.unit} belong to one "
            f"part. Works: GroupShuffleSplit().split(frame, groups=frame.{seam.terms.unit})"
        ) from error
    return parts


def split_warnings(seam: Seam, rows: Dataset, parts: Split) -> Iterator[str]:
    """Yield what a person must know about the figures of a split of data.py."""
    if seam.own_split is None:
        return
    yield "SPLIT of data.py decides it; a pilot requires the split by time, without SPLIT"
    if rows.at is not None and rows.at[parts.train].max() >= rows.at[parts.test].min():
        yield "train and test overlap in time, so the figures may be too good"


def describe_split(seam: Seam, rows: Dataset, parts: Split) -> str:
    """Return how the rows were split: empty for the library's split, else with a digest."""
    if seam.own_split is None:
        return ""
    ids = rows.units if rows.ids is None else rows.ids
    listed = [sorted(map(str, ids[part])) for part in vars(parts).values()]
    return f"SPLIT of data.py, {hashlib.sha256(repr(listed).encode()).hexdigest()[:12]}"


def _parts(given: Any, ids: list[str], id_name: str) -> list[str]:
    """Return the part of each id. Raises SplitError unless each id has one part."""
    if isinstance(given, Mapping):
        part_of: Callable[[str], Any] = _by_id(given, ids, id_name).get
    elif callable(given):
        part_of = given
    else:
        raise SplitError(f"data.py: SPLIT is a {type(given).__name__}; works: {WORKS}")
    result = [part_of(id) for id in ids]
    if absent := [id for id, part in zip(ids, result, strict=True) if part is None]:
        raise SplitError(
            f"data.py: SPLIT has no part for {len(absent):,} labeled rows of load(), for example "
            f"{id_name} {_shown(absent)}. Works: add them to SPLIT, or leave them out of load()"
        )
    for id, part in zip(ids, result, strict=True):
        if part not in PARTS:
            raise SplitError(
                f"data.py: SPLIT gives {part!r} for {id_name} {id!r}; works: "
                f"{', '.join(map(repr, PARTS))}"
            )
    return result


def _by_id(given: Mapping[Any, Any], ids: list[str], id_name: str) -> dict[str, str]:
    if set(given) - set(PARTS) or not {TRAIN, TEST} <= set(given):
        raise SplitError(f"data.py: SPLIT has the keys {_shown(map(str, given))}; works: {WORKS}")
    result: dict[str, str] = {}
    for part, listed in given.items():
        for id in map(str, listed):
            if result.setdefault(id, part) != part:
                raise SplitError(
                    f"data.py: SPLIT has {id_name} {id!r} in {result[id]} and in {part}; works: "
                    "each id in one list"
                )
    if unknown := sorted(set(result) - set(ids)):
        raise SplitError(
            f"data.py: SPLIT names {len(unknown):,} ids that no labeled row of load() has, for "
            f"example {id_name} {_shown(unknown)}; load() has {_shown(ids)}. Works: ids of the "
            f"column {id_name}, not positions of a frame: frame.loc[train, {id_name!r}]"
        )
    return result


def _shown(ids: Any) -> str:
    return ", ".join(map(repr, list(ids)[:MAX_EXAMPLES]))
