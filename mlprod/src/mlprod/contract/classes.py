"""The classes of a label that has more than two: their names, and what the project's code gets.

Inside the library a class is its position in CLASSES. The functions of the project get the class
itself, a word or an integer. JSON, records and metrics have its name, which is text.
"""

from collections.abc import Callable, Collection, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import RESERVED, ContractError

Class = str | int
Classes = tuple[str, ...] | tuple[int, ...]
Decide = Callable[[Any, float], Any]
"""decide(score, threshold), or decide({class: probability}, threshold) for classes → a decision."""

# With more classes the metrics of a service would have too many series.
MAX_CLASSES = 50
MIN_CLASSES = 3
# Characters of a class.
MAX_CLASS_LENGTH = 64
EXAMPLE = 'CLASSES = ("billing", "delivery", "other")'


def read_classes(module: ModuleType) -> Classes:
    """Return CLASSES of a contract module; () without it.

    Raises ContractError if it is not at least three different words, or three different integers.
    """
    given = getattr(module, "CLASSES", ())
    if given is None or (isinstance(given, tuple | list) and not given):
        return ()
    if problem := _problem(given):
        raise ContractError(f"{module.__name__}: CLASSES {problem}; works: {EXAMPLE}")
    return tuple(given)


def class_names(classes: Classes) -> tuple[str, ...]:
    """Return the classes as text, in their order."""
    return tuple(map(str, classes))


def classes_by_name(classes: Classes) -> dict[str, Class]:
    """Return the classes by their names."""
    return {str(item): item for item in classes}


def label_kind(classes: Classes) -> str:
    """Return the kind of a label column: "label", or "category" or "integer" for classes."""
    if not classes:
        return "label"
    return "category" if isinstance(classes[0], str) else "integer"


def score_columns(classes: Classes) -> tuple[str, ...]:
    """Return the columns of a file of scores that hold the probability of each class."""
    return tuple(f"score_{item}" for item in classes)


def decide_inputs(classes: Classes, scores: NDArray[np.float64]) -> list[Any]:
    """Return what decide() gets for each row: its score, or {class: probability}.

    `scores` are [rows] without classes, and [rows, classes] with them.
    """
    listed: list[Any] = scores.tolist()
    return [dict(zip(classes, row, strict=True)) for row in listed] if classes else listed


def outcome_inputs(classes: Classes, y: NDArray[np.float64]) -> list[Any]:
    """Return what payoff() gets as outcome for each row: its label, or its class."""
    listed: list[Any] = y.tolist()
    return [classes[int(position)] for position in listed] if classes else listed


def answered_score(given: Any, decision: Any) -> float:
    """Return the score of an answer.

    For classes it is the probability of the decided class. If the decision is another word, such as
    "ask a person", it is that of the most probable class.
    """
    if not isinstance(given, dict):
        return float(given)
    return float(given[decision] if decision in given else max(given.values()))


def top_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a threshold is compared with [rows]: the score, or the largest probability."""
    return scores if scores.ndim == 1 else scores.max(axis=1)


def _problem(given: Any) -> str:
    if not isinstance(given, tuple | list):
        return f"must be a tuple; given {given!r}"
    if len(given) < MIN_CLASSES:
        return (
            f"has {len(given)} classes, and needs at least {MIN_CLASSES}: {given!r}. A label with "
            "two values is 0 and 1, without CLASSES"
        )
    if len(given) > MAX_CLASSES:
        return (
            f"has {len(given)} classes; the limit is {MAX_CLASSES}, since each class has series of "
            "its own in the metrics. Let load() combine the rare ones into one class"
        )
    if len({type(item) for item in given}) > 1 or type(given[0]) not in (str, int):
        return f"must hold words only, or integers only; given {_shown(given)}"
    if len(set(given)) < len(given):
        return f"names a class twice: {_shown(sorted({x for x in given if given.count(x) > 1}))}"
    if strange := [item for item in given if isinstance(item, str) and not _is_name(item)]:
        return (
            f"has {_shown(strange)}; a class is 1 to {MAX_CLASS_LENGTH} printable characters "
            f"without spaces around it, and not {' or '.join(map(repr, RESERVED))}"
        )
    return ""


def _is_name(word: str) -> bool:
    """Whether a word can be a class. A key "unit" in an event would count as one more row."""
    printable = word.isprintable() and word == word.strip() != ""
    return printable and len(word) <= MAX_CLASS_LENGTH and word not in RESERVED


def _shown(items: Collection[Any] | Sequence[Any]) -> str:
    return ", ".join(repr(item) for item in list(items)[:5])
