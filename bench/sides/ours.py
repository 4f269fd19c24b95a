"""The baked project's own contract check, by Ibis on DuckDB."""

import sys
from typing import Any, Literal

import ibis
from mlprod.contract.schema import Contract, read_contract
from mlprod.contract.validation import check
from pydantic import Field, create_model
from report import report
from rules import CATEGORIES, NUMBERS, OPTIONAL


def field(name: str, kind: Any, **bounds: float) -> Any:
    if name in OPTIONAL:
        return kind | None, Field(default=None, description="Made up", **bounds)
    return kind, Field(description="Made up", **bounds)


Row = create_model(
    "Row",
    __base__=Contract,
    __module__=__name__,
    **{name: field(name, float, ge=low, le=high) for name, (low, high) in NUMBERS.items()},
    **{name: field(name, Literal[tuple(parts)]) for name, parts in CATEGORIES.items()},
)
ID, LABEL = "id", "label"
RULES = {"missing": "missing", "below": "below", "above": "above", "repeated:": "repeated"}


def count(path: str) -> dict[str, int]:
    result = check(
        ibis.duckdb.connect().read_parquet(path), read_contract(sys.modules[__name__]), "binary"
    )
    return {
        f"{broken.field}|{RULES.get(broken.rule.split()[0], 'other')}": broken.count
        for broken in result.violations
    }


report(count)
