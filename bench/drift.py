"""Drift of a million rows of 20 fields in Parquet against 100,000 learnt from, beside Evidently and
SciPy's tests.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from measure import Figures, Line, alternate, environment, middle, ratio, sources, timed

SIDES = Path(__file__).parent / "sides"
LEARNT, ROWS, MANY = 100_000, 1_000_000, 10_000_000
AGAIN = 5  # comparisons in one process, for the fastest
PEERS = {"Evidently": "drift_evidently.py", "SciPy": "drift_scipy.py"}
QUICK = "SciPy"  # of the peers, what can be asked again and again
WHOLE, ALONE, LARGE = 2.0, 0.6, 8.0  # seconds at most


def lines(folder: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """The table's lines.

    Raises ValueError when a side does not find exactly the field that was shifted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    env, message = environment(PYTHONPATH=sources(project)), folder / "said"
    for rows in (MANY, ROWS):  # the last one leaves the reference
        timed([python, SIDES / "drift_rows.py", folder, LEARNT, rows], env, message)
    planted = json.loads(message.read_text())
    commands = {"ours": [python, SIDES / "drift_ours.py"]} | {
        name: [peers, SIDES / at] for name, at in PEERS.items()
    }

    def whole(command: list[Path], rows: int = ROWS) -> Callable[[], Figures]:
        def measure() -> Figures:
            figures = timed([*command, folder, rows], env, message)
            if (matches := answer(message)["drifted"]) != planted:
                raise ValueError(
                    f"{command[-1].name} finds that {matches} drift; shifted was {planted}"
                )
            return figures

        return measure

    def alone(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            timed([*command, folder, ROWS, AGAIN], env, message)
            return {"wall": answer(message)["again"]}

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
        words(ours),
        f"{name}: {words(theirs)}" if theirs else "",
        f"{ratio(ours, theirs, 'wall'):.3f}" if theirs else "",
        f"≤ {most:g} s",
        seconds <= most,
    )


def words(figures: list[Figures]) -> str:
    wall = f"{middle(figures, 'wall'):.2f} s"
    if "cpu" not in figures[0]:
        return wall
    return f"{wall} (CPU {middle(figures, 'cpu'):.2f} s, {middle(figures, 'memory'):.0f} MB)"


def answer(said: Path) -> dict[str, list[str] | float]:
    return json.loads(said.read_text().splitlines()[-1])
