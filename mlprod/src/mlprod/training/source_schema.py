"""Schema of the data source: the columns of a version's training data, and today's changes."""

import json
from collections.abc import Mapping

import ibis.expr.types as ir

from ..contract.schema import ContractSchema

# The tag of a version with the column types of its training data, as JSON.
COLUMNS_TAG = "columns"


class SchemaNotRecordedError(Exception):
    """The version has no readable record of the columns of its training data."""


def source_columns(table: ir.Table, terms: ContractSchema) -> dict[str, str]:
    """Return column → type in the source, for the columns that the contract reads.

    The type is that before the contract casts, without nullability, because engines differ in it.
    The label is left out, because outcomes may have filled it in as numbers.
    """
    named = [name for name in (terms.id, terms.unit, terms.time, *terms.fields.names) if name]
    return {
        name: str(table[name].type().copy(nullable=True)) for name in named if name in table.columns
    }


def schema_tag(table: ir.Table, terms: ContractSchema) -> dict[str, str]:
    """Return the tag that a version gets."""
    return {COLUMNS_TAG: json.dumps(source_columns(table, terms), sort_keys=True)}


def schema_changes(tags: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Describe the columns that have changed since training.

    Raises SchemaNotRecordedError if the version has no readable tag `columns`, as one that an older
    library registered.
    """
    if COLUMNS_TAG not in tags:
        raise SchemaNotRecordedError(
            "the version has no record of its source schema; run make train and promote the new "
            "version"
        )
    try:
        before = {str(name): str(kind) for name, kind in json.loads(tags[COLUMNS_TAG]).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise SchemaNotRecordedError(
            f"its tag {COLUMNS_TAG} cannot be read; run make train and promote the new version"
        ) from error
    return [
        f"{name} was {kind}, and is {now[name]}"
        if name in now
        else f"{name} was {kind}, and is missing"
        for name, kind in before.items()
        if now.get(name) != kind
    ]
