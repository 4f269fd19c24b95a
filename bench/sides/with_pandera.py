"""The same rules as a pandera schema on polars."""

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors
from report import report
from rules import CATEGORIES, NUMBERS, OPTIONAL

schema = pa.DataFrameSchema(
    {
        "id": pa.Column(pl.Int64, unique=True),
        "label": pa.Column(pl.Int64, pa.Check.isin([0, 1]), nullable=True),
        **{
            name: pa.Column(
                pl.Float64, [pa.Check.ge(low), pa.Check.le(high)], nullable=name in OPTIONAL
            )
            for name, (low, high) in NUMBERS.items()
        },
        **{
            name: pa.Column(pl.String, pa.Check.isin(parts), nullable=name in OPTIONAL)
            for name, parts in CATEGORIES.items()
        },
    }
)
RULES = {"not_nullable": "missing", "field_uniqueness": "repeated", "isin": "other"}


def count(path: str) -> dict[str, int]:
    try:
        schema.validate(pl.read_parquet(path), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.group_by("column", "check").len().rows()
        # Both rows of a pair of equal ids count here. The other sides count the second one.
        return {
            f"{field}|{rule_of(check)}": rows // (1 + (field == "id"))
            for field, check, rows in cases
        }
    return {}


def rule_of(check: str) -> str:
    return (
        "below"
        if "greater" in check
        else "above"
        if "less" in check
        else RULES.get(check.split("(")[0], check)
    )


report(count)
