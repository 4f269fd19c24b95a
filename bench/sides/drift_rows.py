"""Write reference.parquet, now-N.parquet with one shifted field, and a bundle's reference."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mlprod.bundle.reference_profile import build_reference
from mlprod.contract.schema import Field, Fields
from rules import CATEGORIES, NUMBERS, OPTIONAL

# The shift is in standard deviations.
PLANTED, SHIFT = "number_05", 0.2
CHUNK_ROWS = 1_000_000
folder, reference_rows, rows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random = np.random.Generator(np.random.Philox(2))
FIELDS = Fields(
    (
        *(Field(name, "number", optional=name in OPTIONAL) for name in NUMBERS),
        *(
            Field(name, "category", categories=tuple(parts), open=True)
            for name, parts in CATEGORIES.items()
        ),
    )
)


def made_up(rows: int, shift: float) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for place, name in enumerate(NUMBERS):
        values = random.normal(0, 1, rows) + (shift if name == PLANTED else 0)
        columns[name] = np.exp(values) if place % 2 else values
    for name, parts in CATEGORIES.items():
        columns[name] = np.array(parts, dtype=object)[random.integers(0, len(parts), rows)]
    for name in OPTIONAL:
        columns[name][random.random(rows) < 0.05] = np.nan if name in NUMBERS else None
    return columns


def table(columns: dict[str, np.ndarray]) -> pa.Table:
    return pa.table(
        {
            name: pa.array(values, mask=np.isnan(values))
            if values.dtype == float
            else pa.array(values, pa.string())
            for name, values in columns.items()
        }
    )


first = made_up(reference_rows, 0)
pq.write_table(table(first), folder / "reference.parquet", row_group_size=122_880)
described = build_reference(FIELDS, first, random.random(reference_rows))
(folder / "reference.json").write_text(described.model_dump_json())
writer = None
for start in range(0, rows, CHUNK_ROWS):
    chunk = table(made_up(min(CHUNK_ROWS, rows - start), SHIFT))
    writer = writer or pq.ParquetWriter(folder / f"now-{rows}.parquet", chunk.schema)
    writer.write_table(chunk, row_group_size=122_880)
if writer:
    writer.close()
print(json.dumps([PLANTED]))
