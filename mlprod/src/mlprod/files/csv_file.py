"""The conversion of CSV files to Parquet with the contract's types, in one pass.

Every command reads the converted file, so all of them see the same rows.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from ..contract.columns import LINE_COLUMN, UNREADABLE_PREFIX
from .cells import Cells
from .columns import Column, require_columns
from .dialect import Dialect, detect_dialect, utf8
from .errors import FileError
from .records import Block, blocks

ARROW = {
    "number": pa.float64(),
    "integer": pa.float64(),
    "label": pa.float64(),
    "boolean": pa.bool_(),
}
ARROW |= {"time": pa.timestamp("us"), "date": pa.date32(), "datetime": pa.timestamp("us")}
ARROW |= dict.fromkeys(("category", "text", "id"), pa.string())
# kinds whose cells may be unreadable
MARKED = ("number", "integer", "label", "boolean", "time", "date", "datetime", "id")


def convert(paths: Sequence[Path], columns: Sequence[Column], to: Path) -> str:
    """Write the rows of all files to one Parquet file, each with the number of its first line.

    Returns a description of the format. Raises FileError.
    """
    hows = [_dialect(path, columns) for path in paths]
    here = [column for column in columns if column.name in hows[0].names]
    fields = [pa.field(column.name, ARROW[column.kind]) for column in here]
    fields += [
        pa.field(UNREADABLE_PREFIX + column.name, pa.string())
        for column in here
        if column.kind in MARKED
    ]
    schema, cells, rows = pa.schema([*fields, pa.field(LINE_COLUMN, pa.int64())]), Cells(), 0
    with pq.ParquetWriter(to, schema, compression="lz4") as writer:
        for path, how in zip(paths, hows, strict=True):
            if missing := [column.name for column in here if column.name not in how.names]:
                raise FileError(
                    f"{path}: it has no column {missing[0]!r}, which {paths[0].name} has"
                )
            try:
                for block in _rows(path, how):
                    batch = _batch(block, how, here, cells, schema)
                    rows += len(batch)
                    writer.write_batch(batch)
            except FileError as error:
                raise FileError(f"{path}: {error}") from error
    if not rows:
        raise FileError(f"{paths[0]}: it has a first line and no row below it; add rows")
    mark = {",": ", decimal comma", ".": ", decimal point"}.get(cells.mark, "")
    return f"CSV, {hows[0].described}{mark}, {rows:,} rows"


def _dialect(path: Path, columns: Sequence[Column]) -> Dialect:
    try:
        how = detect_dialect(path, [column.name for column in columns])
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    require_columns(path, how.names, columns)
    for column in columns:
        if how.names.count(column.name) > 1:
            places = [
                str(place) for place, name in enumerate(how.names, start=1) if name == column.name
            ]
            raise FileError(
                f"{path}: {column.name!r} is the name of columns {' and '.join(places)}; "
                f"rename one of them"
            )
    return how


def _rows(path: Path, how: Dialect) -> Iterator[Block]:
    """Yield blocks of the rows below the first line."""
    above = how.above
    for block in blocks(utf8(path, how), how.delimiter):
        here = min(above, len(block.lines))
        above -= here
        if here < len(block.lines):
            yield block.without(here)


def _batch(
    block: Block, how: Dialect, columns: Sequence[Column], cells: Cells, schema: pa.Schema
) -> pa.RecordBatch:
    texts = _texts(block, how, [how.names.index(column.name) for column in columns])
    read = cells.read(dict(zip(columns, texts, strict=True)))
    arrays = [read[column][0] for column in columns]
    arrays += [read[column][1] for column in columns if column.kind in MARKED]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(block.lines)], schema=schema)


def _texts(block: Block, how: Dialect, places: Sequence[int]) -> list[pa.Array]:
    """Return the cells at these positions of each record as written; empty cells are null."""
    anomalies: list[pc.InvalidRow] = []

    def remember(row: pc.InvalidRow) -> str:
        anomalies.append(row)
        return "error"

    names = [str(place) for place in range(len(how.names))]
    wanted = [names[place] for place in places]
    try:
        table = pc.read_csv(
            pa.BufferReader(block.data),
            pc.ReadOptions(column_names=names, block_size=len(block.data) + 1, use_threads=False),
            pc.ParseOptions(
                delimiter=how.delimiter, newlines_in_values=True, invalid_row_handler=remember
            ),
            pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if not anomalies:
            raise FileError(
                f"it is not valid CSV from line {block.lines[0]} on: {str(error)[:80]}"
            ) from error
        line, cells = block.lines[anomalies[0].number - 1], anomalies[0].actual_columns
        raise FileError(
            f"line {line}: it has {cells} cells, and the first line names {len(names)} columns"
        ) from error
    if len(table) != len(block.lines):
        raise FileError(
            f"lines {block.lines[0]} to {block.lines[-1]} have line breaks of different kinds; "
            "use one kind in the whole file"
        )
    return [table[name].combine_chunks() for name in wanted]
