"""Has the data changed where it comes from?

What a version was made of, column by column, beside what comes today.
"""

import json
from collections.abc import Mapping

import ibis.expr.types as ir

from ..contract.schema import ContractSchema

COLUMNS = "columns"  # tag of a version: the types of what it was made of, as JSON


class SchemaNotRecordedError(Exception):
    """The version says nothing of the columns that it was made of."""


def columns(table: ir.Table, terms: ContractSchema) -> dict[str, str]:
    """Column → type, as the source has it before the contract casts, of what the contract reads.

    Whether it may be null is left out, which engines say differently, and so is the label, which
    outcomes may have filled in as numbers.
    """
    named = [name for name in (terms.id, terms.unit, terms.time, *terms.fields.names) if name]
    return {
        name: str(table[name].type().copy(nullable=True)) for name in named if name in table.columns
    }


def said(table: ir.Table, terms: ContractSchema) -> dict[str, str]:
    """The tag to be kept with a version."""
    return {COLUMNS: json.dumps(columns(table, terms), sort_keys=True)}


def changes(tags: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is another column than it was, in words.

    Raises SchemaNotRecordedError for a version that is older than this look.
    """
    if COLUMNS not in tags:
        raise SchemaNotRecordedError(
            "what it was made of was not written down then; make train, then promote what it makes"
        )
    try:
        before = {str(name): str(kind) for name, kind in json.loads(tags[COLUMNS]).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise SchemaNotRecordedError(
            f"its tag {COLUMNS} cannot be read; make train, then promote what it makes"
        ) from error
    return [
        f"{name} was {kind}, and is {now[name]}"
        if name in now
        else f"{name}, {kind}, does not come any more"
        for name, kind in before.items()
        if now.get(name) != kind
    ]
