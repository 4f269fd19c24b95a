"""Reasons why a notebook's score differs: each one is tried, and must give the notebook's score."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.loader import PROBE_TOLERANCE
from ..bundle.runtime import Scores
from ..contract.dates import DATE_EXAMPLES, date_of, text_of
from ..contract.schema import Columns, Field, Fields

# Relative distance of neighbors in float32, in which models compute.
FLOAT32_STEP = float(np.finfo(np.float32).eps)
# A value that no contract knows, for an unknown category.
UNKNOWN = "\x00 not a category"
LEARNED, UNEXPLAINED = "learned", "unexplained"
StatedReason = tuple[str, str]


def is_close(scores: Scores, wanted: Scores, tolerance: float) -> NDArray[np.bool_]:
    """Return which rows [rows] agree: within 1e-5 for scores of about one, or the tolerance.

    Rows of probabilities [rows, classes] agree if each of them does.
    """
    reach = np.maximum(tolerance, PROBE_TOLERANCE * np.maximum(np.abs(wanted), 1.0))
    off = (np.abs(scores - wanted) > reach).reshape(len(wanted), -1)
    result: NDArray[np.bool_] = off.sum(axis=1) == 0
    return result


@dataclass(frozen=True)
class Differences:
    """Rows whose scores differ.

    `ours` are the columns of load(), `theirs` those that the file has. `wanted` are the notebook's
    scores [rows] or [rows, classes], and `parts` the parts of the split. `learned` are the columns
    of the training.
    """

    fields: Fields
    personal: Collection[str]
    score: Callable[[Columns], Scores]
    ours: Columns
    learned: Columns
    theirs: Mapping[str, NDArray[Any]]
    wanted: NDArray[np.float64]
    parts: Sequence[str]
    tolerance: float

    def explained_by(self, changed: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return for which rows [rows] these columns lead to the notebook's score."""
        try:
            scores = self.score({**self.ours, **changed})
        # A model of RUNTIME = "python" may refuse a value that its contract does not allow.
        except Exception:
            return np.zeros(len(self.wanted), dtype=bool)
        return is_close(scores, self.wanted, self.tolerance)


@dataclass(frozen=True)
class FieldChange:
    """A change of one field that may explain scores: kind, description, and the rows it explains.

    `values` and `explained` are [rows].
    """

    kind: str
    field: str
    described: str
    values: NDArray[Any]
    explained: NDArray[np.bool_]


def explain(rows: Differences) -> list[StatedReason]:
    """Return (kind, description) of each row; the kind "unexplained" if nothing explains it.

    Values of the file come first. Then the changes of several fields that explain most rows
    together, then single ones, those that explain more rows first. So a change that fits one row by
    chance hides no change that fits many.
    """
    result: list[StatedReason | None] = [None] * len(rows.wanted)
    if not result:
        return []
    if rows.theirs:
        for place in np.flatnonzero(rows.explained_by(rows.theirs)):
            if different := _different(rows, int(place)):
                result[place] = "other value", f"the file has {different}"
    changes = sorted(_changes(rows), key=lambda change: -int(change.explained.sum()))
    together, explained = _together(rows, changes)
    if len(together) > 1:
        described = " and ".join(change.described for change in together)
        _state(result, explained, ("filled in", f"the notebook has {described}"))
    for change in changes:
        prefix = "the notebook has " if change.kind == "filled in" else ""
        _state(result, change.explained, (change.kind, prefix + change.described))
    return [reason or _last(rows, place) for place, reason in enumerate(result)]


def _state(
    result: list[StatedReason | None], explained: NDArray[np.bool_], reason: StatedReason
) -> None:
    for place in np.flatnonzero(explained):
        result[place] = result[place] or reason


def _together(
    rows: Differences, changes: Sequence[FieldChange]
) -> tuple[list[FieldChange], NDArray[np.bool_]]:
    """Return the changes of different fields that explain more rows together, and those rows."""
    chosen: list[FieldChange] = []
    explained = np.zeros(len(rows.wanted), dtype=bool)
    for change in changes:
        taken = {item.field for item in chosen}
        if change.kind != "filled in" or change.field in taken or not change.explained.any():
            continue
        joint = {item.field: item.values for item in [*chosen, change]}
        if (more := rows.explained_by(joint)).sum() > explained.sum():
            chosen, explained = [*chosen, change], more
    return chosen, explained


def _changes(rows: Differences) -> Iterator[FieldChange]:
    for item in rows.fields:
        own = rows.ours[item.name]
        for described, values in _substitutes(item, own, rows.learned[item.name]):
            explained = rows.explained_by({item.name: values}) & _moved(own, values)
            yield FieldChange("filled in", item.name, f"{item.name} {described}", values, explained)
        if item.kind == "number":
            for factor in (1 + FLOAT32_STEP, 1 - FLOAT32_STEP):
                explained = rows.explained_by({item.name: own * factor})
                described = f"{item.name} lies at a border within float32"
                yield FieldChange("float32", item.name, described, own * factor, explained)


def _substitutes(
    item: Field, values: NDArray[Any], learned: NDArray[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield what a notebook often does with a field: leave it out, or fill in missing values."""
    if item.kind in ("category", "text"):
        yield "missing", _filled(values, None)
        if item.kind == "category":
            yield "as an unknown category", _filled(values, UNKNOWN)
            for category in item.categories:
                yield f"as {category!r} where it is missing", _where_missing(values, category)
        return
    known = learned[~np.isnan(learned)]
    fillers = {"0": 0.0, "-1": -1.0}
    if len(known):
        fillers |= {"its median": float(np.median(known)), "its mean": float(np.mean(known))}
    for described, value in fillers.items():
        yield f"as {described} where it is missing", _where_missing(values, value)
    yield "missing", _filled(values, np.nan)
    yield "as 0", _filled(values, 0.0)


def _last(rows: Differences, place: int) -> StatedReason:
    if rows.theirs and (different := _different(rows, place)):
        return UNEXPLAINED, f"the file has {different}, which does not explain the score"
    if rows.parts[place] == "train":
        return LEARNED, "the project's model learned this row, so its score is not a prediction"
    return UNEXPLAINED, "same id, contract and features: the models themselves differ"


def _different(rows: Differences, place: int) -> str:
    """Return the fields whose values differ, with both values unless they are personal."""
    shown = []
    for name, values in rows.theirs.items():
        given, own = values[place], rows.ours[name][place]
        if not _same(given, own):
            hidden, kind = name in rows.personal, rows.fields[name].kind
            shown.append(
                f"another {name} (personal, not shown)"
                if hidden
                else f"{name} {_plain(given, kind)} where load() has {_plain(own, kind)}"
            )
    return ", ".join(shown)


def _moved(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    pairs = zip(before.tolist(), after.tolist(), strict=True)
    return np.array([not _same(own, other) for own, other in pairs], dtype=bool)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (_is_missing(one) and _is_missing(other)))


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)


def _plain(value: Any, kind: str) -> str:
    if _is_missing(value):
        return "missing"
    if kind in DATE_EXAMPLES:
        return text_of(date_of(kind, value))
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _filled(values: NDArray[Any], value: Any) -> NDArray[Any]:
    return np.full(len(values), value, dtype=values.dtype)


def _where_missing(values: NDArray[Any], value: Any) -> NDArray[Any]:
    return np.array([value if _is_missing(item) else item for item in values], dtype=values.dtype)
