"""Reasons why a notebook's score differs: each one is tried, and must give the notebook's score."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.runtime import Scores
from ..contract.schema import Columns, Field, Fields

# Relative distance of neighbors in float32, in which models compute.
FLOAT32_STEP = float(np.finfo(np.float32).eps)
# A value that no contract knows, for an unknown category.
UNKNOWN = "\x00 not a category"
StatedReason = tuple[str, str]


@dataclass(frozen=True)
class Differences:
    """Rows whose scores differ.

    `ours` are the columns of load(), `theirs` those that the file has, `wanted` the notebook's
    scores [rows], and `parts` the parts of the split. `learned` are the columns of the training.
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
        reach = np.maximum(self.tolerance, 1e-5 * np.maximum(np.abs(self.wanted), 1.0))
        result: NDArray[np.bool_] = np.abs(scores - self.wanted) <= reach
        return result


def explain(rows: Differences) -> list[StatedReason]:
    """Return (kind, description) of each row; the kind "unexplained" if nothing explains it.

    The first reason that leads to the notebook's score counts.
    """
    result: list[StatedReason | None] = [None] * len(rows.wanted)
    if not result:
        return []
    for mask, reason in _candidates(rows):
        for place in np.flatnonzero(mask):
            if result[place] is None:
                result[place] = reason(int(place))
    return [reason or _last(rows, place) for place, reason in enumerate(result)]


def _candidates(
    rows: Differences,
) -> Iterator[tuple[NDArray[np.bool_], Callable[[int], StatedReason]]]:
    if rows.theirs:
        yield (
            rows.explained_by(rows.theirs) & _any_differs(rows),
            lambda place: ("other value", f"the file has {_different(rows, place)}"),
        )
    for item in rows.fields:
        if item.kind == "number":
            for factor in (1 + FLOAT32_STEP, 1 - FLOAT32_STEP):
                yield (
                    rows.explained_by({item.name: rows.ours[item.name] * factor}),
                    _constant("float32", f"{item.name} lies at a border within float32"),
                )
    for item in rows.fields:
        learned = rows.learned[item.name]
        for described, values in _substitutes(item, rows.ours[item.name], learned):
            yield (
                rows.explained_by({item.name: values}) & _moved(rows.ours[item.name], values),
                _constant("filled in", f"the notebook has {item.name} {described}"),
            )


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
    yield "missing", _filled(values, np.nan)
    yield "as 0", _filled(values, 0.0)
    if len(known := learned[~np.isnan(learned)]):
        yield "as its median where it is missing", _where_missing(values, float(np.median(known)))
        yield "as its mean where it is missing", _where_missing(values, float(np.mean(known)))
    yield "as -1 where it is missing", _where_missing(values, -1.0)


def _last(rows: Differences, place: int) -> StatedReason:
    if rows.theirs and (different := _different(rows, place)):
        return "unexplained", f"the file has {different}, which does not explain the score"
    if rows.parts[place] == "train":
        return "learned", "the project's model learned this row, so its score is not a prediction"
    return "unexplained", "same id, contract and features: the models themselves differ"


def _different(rows: Differences, place: int) -> str:
    """Return the fields whose values differ, with both values unless they are personal."""
    shown = []
    for name, values in rows.theirs.items():
        given, own = values[place], rows.ours[name][place]
        if not _same(given, own):
            hidden = name in rows.personal
            shown.append(
                f"another {name} (personal, not shown)"
                if hidden
                else f"{name} {_plain(given)} where load() has {_plain(own)}"
            )
    return ", ".join(shown)


def _any_differs(rows: Differences) -> NDArray[np.bool_]:
    result = [bool(_different(rows, place)) for place in range(len(rows.wanted))]
    return np.array(result, dtype=bool)


def _moved(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    pairs = zip(before.tolist(), after.tolist(), strict=True)
    return np.array([not _same(own, other) for own, other in pairs], dtype=bool)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (_is_missing(one) and _is_missing(other)))


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)


def _plain(value: Any) -> str:
    if _is_missing(value):
        return "missing"
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _filled(values: NDArray[Any], value: Any) -> NDArray[Any]:
    return np.full(len(values), value, dtype=values.dtype)


def _where_missing(values: NDArray[Any], value: Any) -> NDArray[Any]:
    return np.array([value if _is_missing(item) else item for item in values], dtype=values.dtype)


def _constant(kind: str, text: str) -> Callable[[int], StatedReason]:
    return lambda _: (kind, text)
