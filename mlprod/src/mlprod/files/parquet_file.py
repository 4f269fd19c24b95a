"""Parquet files: one file or the parts of a folder, as a table of DuckDB.

Types that DuckDB would change are refused.
"""

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from ..contract.columns import COLUMN_TYPES
from .columns import Column, require_columns
from .errors import FileError
from .parts import Parts


def open_parquet(parts: Parts, columns: Sequence[Column]) -> tuple[ir.Table, str]:
    """Open these files as one table; return it with a description of the format.

    Raises FileError.
    """
    schemas = {path: _schema(path) for path in parts.paths}
    hive = any(
        "=" in part
        for path in parts.paths
        for part in path.relative_to(parts.root.parent).parts[:-1]
    )
    keys = {
        part.partition("=")[0]
        for path in parts.paths
        for part in path.parts[:-1]
        if hive and "=" in part
    }
    for path, schema in schemas.items():
        require_columns(path, [*schema.names, *keys], columns)
        _require_distinct_names(path, schema, columns)
    for column in columns:
        _require_one_type(schemas, column)
    try:
        files = [str(path) for path in parts.paths]
        result = ibis.duckdb.connect().read_parquet(
            files, union_by_name=True, hive_partitioning=hive
        )
    except Exception as error:
        # DuckDB raises errors of several kinds.
        raise FileError(
            f"{parts.root}: it cannot be read as Parquet: {str(error).splitlines()[0][:200]}"
        ) from error
    # DuckDB reads a column of nulls as numbers.
    for column in columns:
        here = [
            schema.field(column.name).type
            for schema in schemas.values()
            if column.name in schema.names
        ]
        if here and all(pa.types.is_null(type) for type in here):
            result = result.mutate(**{column.name: ibis.null(COLUMN_TYPES[column.kind])})
    index = [name for name in result.columns if name.startswith("__index_level_")]
    ignored = f", the index {', '.join(index)} of pandas left out" if index else ""
    by = f", {', '.join(sorted(keys))} from the folders' names" if keys else ""
    return result, f"{parts.described}Parquet{by}{ignored}" if len(parts.paths) > 1 or index else ""


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise FileError(
            f"{path}: it cannot be read as Parquet: {str(error).splitlines()[0][:200]}"
        ) from error


def _require_distinct_names(path: Path, schema: pa.Schema, columns: Sequence[Column]) -> None:
    """Raises FileError for names that differ by case only, because DuckDB renames the second."""
    for column in columns:
        same = [name for name in schema.names if name.casefold() == column.name.casefold()]
        if len(same) > 1:
            raise FileError(
                f"{path}: columns {' and '.join(map(repr, same))} differ by case only; "
                f"rename one of them"
            )


def _require_one_type(schemas: dict[Path, pa.Schema], column: Column) -> None:
    """Raises FileError for an unsupported type, or for types of different families."""
    first: dict[str, Path] = {}
    for path, schema in schemas.items():
        if column.name not in schema.names:
            continue
        type = schema.field(column.name).type
        family = _family(type)
        if family is None:
            raise FileError(
                f"{path}: column {column.name!r} has type {type}, which is not supported; write "
                f"it as {COLUMN_TYPES[column.kind]}"
            )
        first.setdefault(family, path)
    kinds = [family for family in first if family != "null"]
    if len(kinds) > 1:
        message = " and ".join(
            f"{schemas[first[kind]].field(column.name).type} in {first[kind].name}"
            for kind in kinds
        )
        raise FileError(f"column {column.name!r} is {message}; write all parts with the same type")


def _family(type: pa.DataType) -> str | None:
    """Return the family of a type; None for a type that is not supported or that DuckDB changes."""
    if pa.types.is_dictionary(type):
        type = type.value_type
    if isinstance(type, pa.UuidType):
        return "uuid"
    tests = {
        "null": pa.types.is_null,
        "true or false": pa.types.is_boolean,
        "text": lambda element: (
            pa.types.is_string(element)
            or pa.types.is_large_string(element)
            or pa.types.is_string_view(element)
        ),
        "time": lambda entry: pa.types.is_timestamp(entry) or pa.types.is_date(entry),
        "number": lambda item: (
            pa.types.is_integer(item) or pa.types.is_floating(item) or pa.types.is_decimal128(item)
        ),
    }
    return next((family for family, test in tests.items() if test(type)), None)
