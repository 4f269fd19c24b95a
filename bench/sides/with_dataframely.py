"""The same rules as a dataframely schema."""

import types

import dataframely as dy
import polars as pl
from report import report
from rules import CATEGORIES, NUMBERS, OPTIONAL

columns = {
    "id": dy.Int64(unique=True),
    "label": dy.Int64(nullable=True, is_in=[0, 1]),
    **{
        name: dy.Float64(
            nullable=name in OPTIONAL, min=low, max=high, allow_inf=True, allow_nan=True
        )
        for name, (low, high) in NUMBERS.items()
    },
    **{
        name: dy.String(
            nullable=name in OPTIONAL, check=lambda column, parts=arguments: column.is_in(parts)
        )
        for name, arguments in CATEGORIES.items()
    },
}
Row = types.new_class("Row", (dy.Schema,), exec_body=lambda body: body.update(columns))
RULES = {
    "nullability": "missing",
    "min": "below",
    "max": "above",
    "check": "other",
    "is_in": "other",
    "unique": "repeated",
}


def count(path: str) -> dict[str, int]:
    counts = Row.filter(pl.read_parquet(path)).failure.counts()
    result = {}
    for name, rows in counts.items():
        field, _, rule = name.partition("|")
        # Both rows of a pair of equal ids count here. The other sides count the second one.
        result[f"{field}|{RULES[rule]}"] = rows // (1 + (field == "id"))
    return result


report(count)
