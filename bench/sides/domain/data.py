"""Synthetic rows whose label depends on a few of the fields."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from .rules import CATEGORIES, NUMBERS, OPTIONAL

ROWS = 20_000


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    random = np.random.Generator(np.random.Philox(1))
    columns = {
        name: random.uniform(low, high, ROWS).round(2) for name, (low, high) in NUMBERS.items()
    }
    codes = {name: random.integers(0, len(parts), ROWS) for name, parts in CATEGORIES.items()}
    risk = (
        columns["number_01"] / 500 + columns["number_05"] / 1_500 - columns["number_11"] / 4_000 - 2
    )
    risk += (
        1.5 * (codes["category_4"] > 5) * (columns["number_16"] > 6_000) + codes["category_2"] / 3
    )
    label = random.random(ROWS) < 1 / (1 + np.exp(-risk))
    table: dict[str, object] = {
        "id": [f"row {number}" for number in range(ROWS)],
        "label": label.astype(int),
    }
    for name, values in columns.items():
        table[name] = pa.array(values, mask=_missing(random, name))
    for name, values in codes.items():
        table[name] = pa.array(np.array(CATEGORIES[name])[values], mask=_missing(random, name))
    return ibis.memtable(pa.table(table))


def _missing(random: np.random.Generator, name: str) -> np.ndarray:
    return (random.random(ROWS) < 0.05) & (name in OPTIONAL)
