"""Run commands in turn and compare them pair by pair: ratios hold on a shared machine, absolute
figures do not.
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
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10  # in the unit of ru_maxrss
LIBRARY = Path(__file__).resolve().parent.parent / "mlprod" / "src"
DISTORTING = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED", "COOKIECUTTER_CONFIG")


@dataclass(frozen=True)
class Line:
    """One line of the table, its figures already in words."""

    what: str
    ours: str
    beside: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def markdown(self) -> str:
        verdict = {True: "met", False: "**missed**", None: ""}[self.met]
        return f"| {self.what} | {self.ours} | {self.beside} | {self.ratio} | {self.target} | {verdict} |"


def environment(**more: object) -> dict[str, str]:
    """This process's environment without what would slow down or redirect a child; `more` is added."""
    stored = {name: value for name, value in os.environ.items() if name not in DISTORTING}
    return stored | {name: str(value) for name, value in more.items()}


def sources(project: Path) -> str:
    """Where the package of a project and the library lie, as PYTHONPATH has it."""
    return os.pathsep.join(map(str, (project / "src", LIBRARY)))


def timed(command: Sequence[object], env: dict[str, str], said: Path) -> Figures:
    """CPU (user and system, of the process and all that it waited for) and wall seconds, and peak
    memory in MB.

    What it printed is in the file `said`. Raises CalledProcessError, with that text, when it fails.
    """
    with said.open("wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], env=env, stdout=out, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(
            child.returncode, child.args, said.read_text(errors="replace")
        )
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / MEGABYTE,
    }


def alternate(sides: dict[str, Callable[[], Figures]], pairs: int) -> dict[str, list[Figures]]:
    """Figures of each side, `pairs` times in turn, every second round in the other order; a first
    round warms up.
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
    """The median of the ratios of the pairs."""
    return median(a[name] / b[name] for a, b in zip(ours, theirs, strict=True))
