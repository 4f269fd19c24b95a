"""Write rows-N.parquet: synthetic rows with unique ids, a million at a time."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from baked import data

CHUNK_ROWS = 1_000_000
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
data.ROWS = min(CHUNK_ROWS, rows)
table = data.load().to_pyarrow()
place, writer = table.schema.get_field_index("id"), None
for start in range(0, rows, data.ROWS):
    ids = pa.array([f"row {number}" for number in range(start, start + data.ROWS)])
    table = table.set_column(place, "id", ids)
    writer = writer or pq.ParquetWriter(folder / f"rows-{rows}.parquet", table.schema)
    writer.write_table(table, row_group_size=122_880)
if writer:
    writer.close()
