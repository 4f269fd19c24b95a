"""How well each field tells the label alone: a field that does is known only after the fact."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..contract.encoding import encode
from ..contract.schema import Columns, Field, Fields, Task
from .dataset import Dataset
from .split import Split, shares

BINS = 100  # groups that a number is cut into, to see what it tells
SMALLEST_GROUP = 30  # rows, below which a group that holds one class only is luck
WARN = 0.9  # power or purity from which a training warns
NOTABLE, LARGE = (
    0.1,
    0.5,
)  # shares of a class that a pure group holds: worth a warning; as good as a copy of the label
WORDS = 10_000  # of texts, the most frequent ones
DISTINCT = 0.5  # share of different rows, below which equal ones are the rule and no sign of copies


@dataclass(frozen=True)
class FieldPower:
    """`power`: area under the ROC curve (0.5 to 1) or |correlation| (0 to 1), or `purity` where
    that is larger and the group is large. `purity`: how far the purest group of the field is from
    the base rate (0) to one class only (1); `group` names it, and `coverage` is the share of that
    class which it holds.
    """

    power: float
    purity: float = 0.0
    group: str = ""
    coverage: float = 0.0


def field_powers(fields: Fields, rows: Dataset, task: Task) -> dict[str, FieldPower]:
    """The power of each field, from its order, its groups, and for a classifier its purest group.

    A field near 1 is a copy of the label, and known only after the fact (Kaufman et al. 2012,
    Leakage in data mining).
    """
    measure = _auc if task == "binary" else _correlation
    half = shares(rows.units) * 1_000 % 2 < 1
    powers = {}
    for field in fields:
        result = [0.0]
        if field.kind != "text":
            values = encode(Fields((field,)), rows.columns)[:, 0].astype(
                np.float64
            )  # as the model sees it
            result.append(measure(_means_of_groups(values, rows.y, half), rows.y))
            if field.kind != "category":
                result.append(
                    measure(rankdata(np.where(np.isnan(values), -np.inf, values)), rows.y)
                )
        purest = _purest(field, rows.columns, rows.y) if task == "binary" else FieldPower(0.0)
        # A word of a text may well tell the label: that is what texts are read for. It is warned
        # of, and stops nothing.
        counts = purest.coverage >= LARGE and not purest.group.startswith("the word ")
        power = max(*result, purest.purity if counts else 0.0)
        powers[field.name] = FieldPower(power, purest.purity, purest.group, purest.coverage)
    return powers


def warnings(powers: dict[str, FieldPower]) -> Iterator[str]:
    """A sentence for each field that tells most of the label, whatever the gates say."""
    for name, item in powers.items():
        if item.purity >= WARN and item.coverage >= NOTABLE:
            yield (
                f"{name}: rows with {item.group} have nearly one label only, and are "
                f"{item.coverage:.0%} of all that "
                "have it. Is it known before the outcome? If not, take it out of the contract"
            )
        elif item.power >= WARN:
            yield (
                f"{name} alone tells the label to {item.power:.3f} of 1. Is it known "
                f"before the outcome? If not, take "
                "it out of the contract"
            )


def copies(rows: Dataset, parts: Split) -> int:
    """How many test rows hold the values of a learnt row in every field.

    0 where equal rows are common anyway.
    """

    def keys(positions: NDArray[np.intp]) -> list[tuple[object, ...]]:
        lists = [
            [None if v != v else v for v in values[positions].tolist()]
            for values in rows.columns.values()
        ]
        return list(zip(*lists, strict=True)) if lists else []

    learnt, test = keys(parts.train), keys(parts.test)
    if len(set(learnt)) < DISTINCT * len(learnt):
        return 0
    known = set(learnt)
    return sum(key in known for key in test)


def _purest(field: Field, columns: Columns, y: NDArray[np.float64]) -> FieldPower:
    """The group of rows that differs most from the base rate of the rarer class, or of both where
    they are balanced.
    """
    best, share = FieldPower(0.0), float(y.mean())
    for group, size, positive in _groups(field, columns[field.name], y):
        if not SMALLEST_GROUP <= size < len(y):
            continue
        for base, hits in ((share, positive), (1 - share, size - positive)):
            if not 0 < base <= 0.5:
                continue
            purity = (hits / size - base) / (
                1 - base
            )  # as Cohen's kappa takes chance out of agreement (Cohen 1960)
            coverage = hits / (base * len(y))
            # Of two pure groups the one that holds more of the class is the stronger sign of a
            # leak.
            if coverage >= NOTABLE and purity * min(coverage, LARGE) > best.purity * min(
                best.coverage, LARGE
            ):
                best = FieldPower(0.0, purity, group, coverage)
    return best


def _groups(
    field: Field, values: NDArray[Any], y: NDArray[np.float64]
) -> Iterator[tuple[str, int, int]]:
    """Groups of the rows by one field, with their rows and positives: missing, present, a value or
    word.
    """
    name, positives = field.name, int(y.sum())
    listed = values.tolist()
    missing = np.array(
        [value is None or value == "" or value != value for value in listed], dtype=bool
    )
    absent = int(y[missing].sum())
    yield f"{name} missing", int(missing.sum()), absent
    yield f"{name} present", int((~missing).sum()), positives - absent
    if field.kind == "text":
        parts: Counter[str] = Counter()
        hits: Counter[str] = Counter()
        for text, label in zip(listed, y.tolist(), strict=True):
            result = set(str(text).casefold().split())
            parts.update(result)
            if label:
                hits.update(result)
        for word, count in parts.most_common(WORDS):
            yield f"the word {word[:40]!r} in {name}", count, hits[word]
        return
    present = values[~missing].astype(str if field.kind == "category" else float)
    distinct, codes = np.unique(present, return_inverse=True)
    if not len(distinct):
        return
    counts = np.bincount(codes)
    hit = np.bincount(codes, weights=y[~missing])
    for value, count, positive in zip(
        distinct.tolist(), counts.tolist(), hit.tolist(), strict=True
    ):
        yield (
            f"{name} {value[:40]!r}" if field.kind == "category" else f"{name} {value:g}",
            count,
            int(positive),
        )
    if field.kind != "category":  # an amount that is 0 unless the outcome is known
        usual = int(counts.argmax())
        other = f"{name} other than {distinct[usual]:g}"
        yield other, len(present) - int(counts[usual]), positives - absent - int(hit[usual])


def _means_of_groups(
    values: NDArray[np.float64], y: NDArray[np.float64], half: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """For each row the mean label of its group, learnt on the other half of the units: many small
    groups prove nothing.

    Groups are the values themselves, or a hundred bins of equal count; missing is a group.
    """
    present = values[~np.isnan(values)]
    edges = np.unique(
        present
        if len(np.unique(present)) <= BINS
        else np.quantile(present, np.linspace(0, 1, BINS))
    )
    codes = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    means = np.full(len(values), y.mean())
    for learn, send in ((half, ~half), (~half, half)):
        count = np.bincount(codes[learn], minlength=len(edges) + 2)
        total = np.bincount(codes[learn], weights=y[learn], minlength=len(edges) + 2)
        known = np.where(count > 0, total / np.maximum(count, 1), y.mean())
        means[send] = known[codes[send]]
    return means


def _auc(values: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    positive = int(y.sum())
    ranks = rankdata(values)[y == 1].sum()
    area = (ranks - positive * (positive + 1) / 2) / (positive * (len(y) - positive))
    return float(max(area, 1 - area))


def _correlation(values: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(values) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(abs(np.corrcoef(values, rankdata(y))[0, 1]))
