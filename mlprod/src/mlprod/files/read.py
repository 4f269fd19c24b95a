"""Reading of a table from a file of any supported format, the same way for every command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from . import csv_file, parquet_file
from .columns import Column
from .parts import parts_of, table_name


@dataclass(frozen=True)
class TableFile:
    """The rows of a file, a name for the results, their source, and a description of the format."""

    table: ir.Table
    name: str
    source: str
    described: str


def read_table(named: str | Path, columns: Sequence[Column], folder: Path) -> TableFile:
    """Read the rows of a file, of a folder of parts, or of the files of a pattern.

    A CSV is converted to Parquet in `folder`, which must exist as long as the table is used. Raises
    FileError.
    """
    parts = parts_of(named)
    if parts.format == "Parquet":
        table, described = parquet_file.open_parquet(parts, columns)
    else:
        described = parts.described + csv_file.convert(
            parts.paths, columns, folder / "rows.parquet"
        )
        table = ibis.duckdb.connect().read_parquet(folder / "rows.parquet")
    return TableFile(
        table, table_name(named), str(parts.root.resolve()), described and f"{named}: {described}"
    )
