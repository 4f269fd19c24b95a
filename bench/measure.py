"""Run commands in turn and compare them in pairs.

On a shared machine, ratios are reliable, and absolute figures are not.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Figures = dict[str, float]
# In the unit of ru_maxrss.
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10
LIBRARY = Path(__file__).resolve().parent.parent / "mlprod" / "src"
DISTORTING = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED", "COOKIECUTTER_CONFIG")


@dataclass(frozen=True)
class Line:
    """One line of the table, with formatted figures."""

    what: str
    ours: str
    beside: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def markdown(self) -> str:
        verdict = {True: "met", False: "**missed**", None: ""}[self.met]
        cells = self.what, self.ours, self.beside, self.ratio, self.target, verdict
        return f"| {' | '.join(cells)} |"


def environment(**more: object) -> dict[str, str]:
    """Return the environment with `more`, without variables that distort a measurement."""
    stored = {name: value for name, value in os.environ.items() if name not in DISTORTING}
    return stored | {name: str(value) for name, value in more.items()}


def sources(project: Path) -> str:
    """Return the PYTHONPATH of the package of a project and the library."""
    return os.pathsep.join(map(str, (project / "src", LIBRARY)))


def timed(command: Sequence[object], env: dict[str, str], output: Path) -> Figures:
    """Run a command and return CPU seconds, wall seconds and peak memory in MB.

    CPU is user and system time of the process and of all children that it waited for. The file
    `output` has the printed text. Raises CalledProcessError with that text if the command fails.
    """
    with output.open("wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], env=env, stdout=out, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(
            child.returncode, child.args, output.read_text(errors="replace")
        )
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / MEGABYTE,
    }


def alternate(sides: dict[str, Callable[[], Figures]], pairs: int) -> dict[str, list[Figures]]:
    """Measure all sides in turn and return `pairs` figures of each.

    Every second round has the reverse order. A first round warms up.
    """
    result: dict[str, list[Figures]] = {name: [] for name in sides}
    for turn in range(-1, pairs):
        for name in list(sides) if turn % 2 else reversed(sides):
            figures = sides[name]()
            if turn >= 0:
                result[name].append(figures)
    return result


def middle(figures: list[Figures], name: str) -> float:
    return median(one[name] for one in figures)


def ratio(ours: list[Figures], theirs: list[Figures], name: str) -> float:
    """Return the median of the ratios of the pairs."""
    return median(a[name] / b[name] for a, b in zip(ours, theirs, strict=True))
