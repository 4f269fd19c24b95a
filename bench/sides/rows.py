"""Write good.parquet and broken.parquet, and print the planted errors: {"field|rule": rows}."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rules import CATEGORIES, NUMBERS, OPTIONAL

folder, rows = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.Generator(np.random.Philox(1))


def made_up() -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        "id": np.arange(rows),
        "label": random.integers(0, 2, rows).astype(float),
    }
    # Some labels are not known yet.
    columns["label"][random.random(rows) < 0.2] = np.nan
    for name, (low, high) in NUMBERS.items():
        columns[name] = random.uniform(low, high, rows)
    for name, parts in CATEGORIES.items():
        columns[name] = np.array(parts, dtype=object)[random.integers(0, len(parts), rows)]
    for name in OPTIONAL:
        columns[name][random.random(rows) < 0.05] = np.nan if name in NUMBERS else None
    return columns


def damage(columns: dict[str, NDArray[Any]]) -> dict[str, int]:
    """Break every rule a different number of times, at most one rule of a column in a row."""
    planted: dict[str, int] = {}

    def plant(field: str, *broken: tuple[str, Any]) -> None:
        at = random.permutation(rows)
        for rule, value in broken:
            count = 11 + len(planted)
            columns[field][at[:count]] = value
            planted[f"{field}|{rule}"] = count
            at = at[count:]

    for name, (low, high) in NUMBERS.items():
        missing = [] if name in OPTIONAL else [("missing", np.nan)]
        plant(name, ("below", low - 1), ("above", high + 1), *missing)
    for name in CATEGORIES:
        plant(name, ("other", "unknown"), *([] if name in OPTIONAL else [("missing", None)]))
    plant("label", ("other", 2.0))
    # Pairs of equal ids.
    columns["id"][-len(planted) :] = columns["id"][: len(planted)]
    planted["id|repeated"] = len(planted)
    return planted


def write(columns: dict[str, NDArray[Any]], name: str) -> None:
    arrays = {
        field: pa.array(values, mask=np.isnan(values))
        if values.dtype == float
        else pa.array(values)
        for field, values in columns.items()
    }
    arrays["label"] = arrays["label"].cast(pa.int64())
    pq.write_table(pa.table(arrays), folder / name, row_group_size=122_880)


columns = made_up()
write(columns, "good.parquet")
planted = damage(columns)
write(columns, "broken.parquet")
print(json.dumps(planted))
