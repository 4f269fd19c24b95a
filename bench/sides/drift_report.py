"""Output of every side of the drift measurement: drifted fields, and the fastest time."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def report(drifted: Callable[[Path, Path], list[str]]) -> None:
    """Compare two files of a folder; a third argument is the number of repetitions to time."""
    folder, rows = Path(sys.argv[1]), sys.argv[2]
    again = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    files = folder / "reference.parquet", folder / f"now-{rows}.parquet"
    result, seconds = sorted(drifted(*files)), []
    for _ in range(again):
        start = time.perf_counter()
        drifted(*files)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"drifted": result, "again": min(seconds, default=None)}))
