"""Time of a request with derive() of features.py, and without."""

import json
import os
import shutil
from pathlib import Path
from statistics import median

from measure import Line, environment, sources, timed

SIDES = Path(__file__).parent / "sides"


def lines(data: Path, project: Path, python: Path, pairs: int) -> list[Line]:
    """Return the lines of the table, one for each size of a request."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    core = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "--cpu-list", core, python, SIDES / "derive.py", data, pairs]
    timed(command, environment(PYTHONPATH=sources(project)), data / "output")
    result = json.loads((data / "output").read_text().splitlines()[-1])
    return [line(count, result["on"][count], result["off"][count]) for count in result["on"]]


def line(count: str, on: list[float], off: list[float]) -> Line:
    ratios = [one / other for one, other in zip(on, off, strict=True)]
    added = [one - other for one, other in zip(on, off, strict=True)]
    return Line(
        f"a request with derive(), rows: {count}, without server and network",
        f"{median(on):,.0f} µs",
        f"without derive(): {median(off):,.0f} µs; it adds {median(added):,.0f} µs",
        f"{median(ratios):.2f}",
    )
