"""Request bodies that conform to the contract of any project."""

import itertools
import json
from pathlib import Path
from typing import Any

from ...commands.start import package_here
from ...contract.dates import DATE_EXAMPLES
from ...contract.encoding import json_value, sample_columns
from ...project.project import Project
from ...settings import Settings

PACKAGE = package_here(Path.cwd())
TERMS = Project(PACKAGE).terms
# Two outcomes that the service accepts.
OUTCOMES = TERMS.classes[:2] or (0, 1)
LIMIT: int = Settings.model_fields["max_body_bytes"].default


def example_rows(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows that conform to the contract of the project."""
    columns = sample_columns(TERMS.fields, number, seed)
    rows: list[dict[str, Any]] = []
    for position in range(number):
        row: dict[str, Any] = {}
        for field in TERMS.fields:
            value = columns[field.name][position]
            if value is None or value != value:
                continue
            if field.kind == "text":
                row[field.name] = str(value)[: field.longest]
            elif field.kind == "category":
                row[field.name] = str(value)
            elif field.kind in DATE_EXAMPLES:
                row[field.name] = json_value(field, value)
            else:
                row[field.name] = {"boolean": bool, "integer": int}.get(field.kind, float)(value)
        rows.append(row)
    return rows


ROWS = example_rows(1_000)


def body_of(number: int = 1, named: str = "") -> bytes:
    """Return a body of `number` rows; with `named`, each row has an id with that prefix."""
    picked = itertools.islice(itertools.cycle(ROWS), number)
    return json.dumps(
        {
            "rows": [
                row | ({"id": f"{named}-{place}"} if named else {})
                for place, row in enumerate(picked)
            ]
        }
    ).encode()


def full_body() -> bytes:
    """Return a body with the maximum number of rows, by row count and by byte length."""
    return body_of(min(1_000, LIMIT // (len(body_of(100)) // 90)))
