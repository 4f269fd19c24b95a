"""Print how many rows of ours.parquet and theirs.parquet differ by more than 1e-5.

Fails if the ids differ.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

folder, rows = Path(sys.argv[1]), int(sys.argv[2])
ours, theirs = (
    pq.read_table(folder / f"{name}.parquet", columns=["id", "score"])
    for name in ("ours", "theirs")
)
if len(ours) != rows or not ours["id"].equals(theirs["id"].cast(ours["id"].type)):
    sys.exit("ours.parquet and theirs.parquet have different rows")
print(json.dumps(int((np.abs(ours["score"].to_numpy() - theirs["score"].to_numpy()) > 1e-5).sum())))
