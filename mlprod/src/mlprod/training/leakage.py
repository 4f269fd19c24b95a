"""Leakage checks: a field that alone predicts the label is known only after the fact."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..contract.dates import DATE_EXAMPLES
from ..contract.encoding import encode, json_value
from ..contract.schema import Columns, Field, Fields, Task
from .dataset import Dataset
from .split import Split, hash_shares

# Bins of a number, from which its power is measured.
BINS = 100
# In a smaller group one class only may be chance.
MIN_GROUP_ROWS = 30
# Power or purity from which a training warns.
WARNING_POWER = 0.9
# Share of a class in a pure group from which a training warns.
NOTABLE_COVERAGE = 0.1
# Share of a class in a pure group from which the field counts as a copy of the label.
LARGE_COVERAGE = 0.5
# The most frequent words of texts that are checked.
MAX_WORDS = 10_000
# Rows from which the powers for classes are measured, since each class needs a pass.
MAX_CLASS_ROWS = 100_000
# Below this share of distinct rows equal rows are common, and do not indicate copies.
MIN_DISTINCT_SHARE = 0.5


@dataclass(frozen=True)
class FieldPower:
    """How well a field alone predicts the label.

    `power` is the area under the ROC curve (0.5 to 1) or |correlation| (0 to 1), or `purity` where
    that is larger and the group is large. `purity` is the position of the purest group of the field
    between the base rate (0) and one class only (1). `group` names this group, and `coverage` is
    the share of its class that it holds.
    """

    power: float
    purity: float = 0.0
    group: str = ""
    coverage: float = 0.0


def field_powers(fields: Fields, rows: Dataset, task: Task) -> dict[str, FieldPower]:
    """Measure the power of each field from its order, its groups and its purest group.

    The purest group counts for a classifier only. A field with a power near 1 is a copy of the
    label, and known only after the fact (Kaufman et al. 2012, Leakage in data mining). For more
    than two classes the result is that of `_class_powers`.
    """
    if task == "multiclass":
        return _class_powers(fields, rows)
    measure = _auc if task == "binary" else _correlation
    half = hash_shares(rows.units) * 1_000 % 2 < 1
    powers = {}
    for field in fields:
        result = [0.0]
        if field.kind != "text":
            # Encoded as the model sees it.
            values = encode(Fields((field,)), rows.columns)[:, 0].astype(np.float64)
            result.append(measure(_means_of_groups(values, rows.y, half), rows.y))
            if field.kind != "category":
                result.append(
                    measure(rankdata(np.where(np.isnan(values), -np.inf, values)), rows.y)
                )
        purest = _purest(field, rows.columns, rows.y) if task == "binary" else FieldPower(0.0)
        # A word of a text may predict the label legitimately. So it causes a warning, and does not
        # count as power.
        counts = purest.coverage >= LARGE_COVERAGE and not purest.group.startswith("the word ")
        power = max(*result, purest.purity if counts else 0.0)
        powers[field.name] = FieldPower(power, purest.purity, purest.group, purest.coverage)
    return powers


def _class_powers(fields: Fields, rows: Dataset) -> dict[str, FieldPower]:
    """Measure each class against all others.

    The power is the mean over the classes, weighted by their shares (Provost and Domingos 2001): a
    copy of the label separates every class. The purest group is that of the clearest class. It
    causes a warning only, since a value may identify one class of many legitimately.
    """
    rows = rows.subset(np.arange(0, len(rows), len(rows) // MAX_CLASS_ROWS + 1))
    classes, counts = np.unique(rows.y, return_counts=True)
    totals, purest = dict.fromkeys(fields.names, 0.0), dict.fromkeys(fields.names, FieldPower(0.0))
    for position, share in zip(classes, counts / len(rows), strict=True):
        one = Dataset((rows.y == position).astype(np.float64), rows.units, rows.at, rows.columns)
        for name, item in field_powers(fields, one, "binary").items():
            totals[name] += share * item.power
            if item.purity > purest[name].purity:
                purest[name] = item
    return {
        name: replace(purest[name], power=round(min(total, 1.0), 12))
        for name, total in totals.items()
    }


def leakage_warnings(powers: dict[str, FieldPower]) -> Iterator[str]:
    """Yield a warning for each field that predicts most of the label, independent of the gates."""
    for name, item in powers.items():
        if item.purity >= WARNING_POWER and item.coverage >= NOTABLE_COVERAGE:
            yield (
                f"{name}: nearly all rows with {item.group} have the same label, and they are "
                f"{item.coverage:.0%} of all rows with that label. Is the field known before the "
                "outcome? If not, remove it from contract.py"
            )
        elif item.power >= WARNING_POWER:
            yield (
                f"{name} alone predicts the label with a power of {item.power:.3f} of 1. Is the "
                "field known before the outcome? If not, remove it from contract.py"
            )


def count_copies(rows: Dataset, parts: Split) -> int:
    """Count the test rows that equal a training row in every field.

    The result is 0 where equal rows are common.
    """

    def keys(positions: NDArray[np.intp]) -> list[tuple[object, ...]]:
        lists = [
            [None if v != v else v for v in values[positions].tolist()]
            for values in rows.columns.values()
        ]
        return list(zip(*lists, strict=True)) if lists else []

    learned, test = keys(parts.train), keys(parts.test)
    if len(set(learned)) < MIN_DISTINCT_SHARE * len(learned):
        return 0
    known = set(learned)
    return sum(key in known for key in test)


def _purest(field: Field, columns: Columns, y: NDArray[np.float64]) -> FieldPower:
    """Find the group of rows that differs most from the base rate of the rarer class.

    Where the classes are balanced, both count.
    """
    best, share = FieldPower(0.0), float(y.mean())
    for group, size, positive in _groups(field, columns[field.name], y):
        if not MIN_GROUP_ROWS <= size < len(y):
            continue
        for base, hits in ((share, positive), (1 - share, size - positive)):
            if not 0 < base <= 0.5:
                continue
            # Corrected for chance, as Cohen's kappa corrects agreement (Cohen 1960).
            purity = (hits / size - base) / (1 - base)
            coverage = hits / (base * len(y))
            # Of two pure groups the one with more of the class indicates a leak more strongly.
            strength = purity * min(coverage, LARGE_COVERAGE)
            best_strength = best.purity * min(best.coverage, LARGE_COVERAGE)
            if coverage >= NOTABLE_COVERAGE and strength > best_strength:
                best = FieldPower(0.0, purity, group, coverage)
    return best


def _groups(
    field: Field, values: NDArray[Any], y: NDArray[np.float64]
) -> Iterator[tuple[str, int, int]]:
    """Yield the groups of rows by one field: name, number of rows, number of positives.

    A group is the missing values, the present ones, one value, or one word.
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
        totals: Counter[str] = Counter()
        hits: Counter[str] = Counter()
        for text, label in zip(listed, y.tolist(), strict=True):
            distinct_words = set(str(text).casefold().split())
            totals.update(distinct_words)
            if label:
                hits.update(distinct_words)
        for word, count in totals.most_common(MAX_WORDS):
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
            f"{name} {value[:40]!r}"
            if field.kind == "category"
            else f"{name} {_shown(field, value)}",
            count,
            int(positive),
        )
    # For example an amount that is 0 until the outcome is known.
    if field.kind != "category":
        usual = int(counts.argmax())
        other = f"{name} other than {_shown(field, distinct[usual])}"
        yield other, len(present) - int(counts[usual]), positives - absent - int(hit[usual])


def _shown(field: Field, value: float) -> str:
    return str(json_value(field, value)) if field.kind in DATE_EXAMPLES else f"{value:g}"


def _means_of_groups(
    values: NDArray[np.float64], y: NDArray[np.float64], half: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return for each row the mean label of its group in the other half of the units.

    The other half is used, because many small groups would fit their own labels. Groups are the
    values themselves, or a hundred bins of equal count; missing values are a group.
    """
    present = values[~np.isnan(values)]
    edges = np.unique(
        present
        if len(np.unique(present)) <= BINS
        else np.quantile(present, np.linspace(0, 1, BINS))
    )
    codes = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    means = np.full(len(values), y.mean())
    for learn, apply in ((half, ~half), (~half, half)):
        count = np.bincount(codes[learn], minlength=len(edges) + 2)
        total = np.bincount(codes[learn], weights=y[learn], minlength=len(edges) + 2)
        known = np.where(count > 0, total / np.maximum(count, 1), y.mean())
        means[apply] = known[codes[apply]]
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
