"""Drift of a million rows with 20 fields against 100,000 training rows.

The peers are Evidently and the tests of SciPy. All sides read Parquet.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from measure import Figures, Line, alternate, environment, middle, ratio, sources, timed

SIDES = Path(__file__).parent / "sides"
REFERENCE_ROWS, ROWS, MANY = 100_000, 1_000_000, 10_000_000
# Repeated comparisons in one process; the fastest counts.
AGAIN = 5
PEERS = {"Evidently": "drift_evidently.py", "SciPy": "drift_scipy.py"}
# The peer that is fast enough for repeated comparisons.
QUICK = "SciPy"
# Maximum seconds.
WHOLE, ALONE, LARGE = 2.0, 0.6, 8.0


def lines(folder: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """Return the lines of the table.

    Raises ValueError if a side does not detect exactly the shifted field.
    """
    folder.mkdir(parents=True, exist_ok=True)
    env, message = environment(PYTHONPATH=sources(project)), folder / "output"
    # The last run writes the reference that the comparisons use.
    for rows in (MANY, ROWS):
        timed([python, SIDES / "drift_rows.py", folder, REFERENCE_ROWS, rows], env, message)
    planted = json.loads(message.read_text())
    commands = {"ours": [python, SIDES / "drift_ours.py"]} | {
        name: [peers, SIDES / at] for name, at in PEERS.items()
    }

    def whole(command: list[Path], rows: int = ROWS) -> Callable[[], Figures]:
        def measure() -> Figures:
            figures = timed([*command, folder, rows], env, message)
            if (matches := result_of(message)["drifted"]) != planted:
                raise ValueError(
                    f"{command[-1].name} detects drift of {matches} instead of {planted}"
                )
            return figures

        return measure

    def alone(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            timed([*command, folder, ROWS, AGAIN], env, message)
            return {"wall": result_of(message)["again"]}

        return measure

    result = []
    for name in list(PEERS):
        try:
            whole(commands[name])()
        except subprocess.CalledProcessError as error:
            result.append(Line(f"drift: {name}", "", f"did not run: {error.output.strip()[-200:]}"))
            del commands[name]
    times = alternate({name: whole(command) for name, command in commands.items()}, pairs)
    for name in (name for name in PEERS if name in commands):
        result.append(compare("whole process", ROWS, WHOLE, name, times["ours"], times[name]))
    if QUICK in commands:
        both = {name: alone(commands[name]) for name in ("ours", QUICK)}
        times = alternate(both, pairs)
        result.append(
            compare(
                "comparison alone, engine warm", ROWS, ALONE, QUICK, times["ours"], times[QUICK]
            )
        )
    large = alternate({"ours": whole(commands["ours"], MANY)}, pairs)["ours"]
    return [*result, compare("whole process", MANY, LARGE, "", large, [])]


def compare(
    what: str, rows: int, most: float, name: str, ours: list[Figures], theirs: list[Figures]
) -> Line:
    seconds = middle(ours, "wall")
    return Line(
        f"drift, {rows:,} rows × 20, {what}",
        formatted(ours),
        f"{name}: {formatted(theirs)}" if theirs else "",
        f"{ratio(ours, theirs, 'wall'):.3f}" if theirs else "",
        f"≤ {most:g} s",
        seconds <= most,
    )


def formatted(figures: list[Figures]) -> str:
    wall = f"{middle(figures, 'wall'):.2f} s"
    if "cpu" not in figures[0]:
        return wall
    return f"{wall} (CPU {middle(figures, 'cpu'):.2f} s, {middle(figures, 'memory'):.0f} MB)"


def result_of(output: Path) -> dict[str, list[str] | float]:
    return json.loads(output.read_text().splitlines()[-1])
