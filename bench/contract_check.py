"""The contract check on a million rows with 20 fields, against data frame validators.

All sides read Parquet and have the same rules.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from measure import Figures, Line, alternate, environment, middle, ratio, sources, timed

SIDES = Path(__file__).parent / "sides"
ROWS = 1_000_000
# Repeated checks in one process; the fastest counts.
AGAIN = 5
TARGETS = {"whole process": 2.0, "check alone, engine warm": 0.3}
PEERS = {"dataframely": "with_dataframely.py", "pandera on polars": "with_pandera.py"}


def lines(data: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """Return the lines of the table.

    Raises ValueError if a side does not detect exactly the planted errors.
    """
    data.mkdir(parents=True, exist_ok=True)
    env, message = environment(PYTHONPATH=sources(project)), data / "output"
    timed([python, SIDES / "rows.py", data, ROWS], env, message)
    planted = json.loads(message.read_text())
    commands = {"ours": [python, SIDES / "ours.py"]} | {
        name: [peers, SIDES / file] for name, file in PEERS.items()
    }
    dropped = []
    for name, command in list(commands.items()):
        try:
            timed([*command, data / "broken.parquet"], env, message)
        except subprocess.CalledProcessError as error:
            if name == "ours":
                raise ValueError(f"our check failed: {error.output}") from error
            dropped.append(
                Line(f"contract check: {name}", "", f"did not run: {error.output.strip()[-200:]}")
            )
            del commands[name]
        else:
            same(name, planted, result_of(message)["broken"])

    def whole(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            figures = timed([*command, data / "good.parquet"], env, message)
            same(str(command), {}, result_of(message)["broken"])
            return figures

        return measure

    def alone(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            timed([*command, data / "good.parquet", AGAIN], env, message)
            return {"wall": result_of(message)["again"]}

        return measure

    result = dropped
    for what, measure in {"whole process": whole, "check alone, engine warm": alone}.items():
        times = alternate({name: measure(command) for name, command in commands.items()}, pairs)
        for name in commands:
            if name != "ours":
                result.append(compare(what, name, times["ours"], times[name]))
    return result


def compare(what: str, name: str, ours: list[Figures], theirs: list[Figures]) -> Line:
    seconds = middle(ours, "wall")
    return Line(
        f"contract check, {ROWS:,} rows × 20, {what}",
        formatted(ours),
        f"{name}: {formatted(theirs)}",
        f"{ratio(ours, theirs, 'wall'):.2f}",
        f"≤ {TARGETS[what]} s",
        seconds <= TARGETS[what],
    )


def formatted(figures: list[Figures]) -> str:
    wall = f"{middle(figures, 'wall'):.2f} s"
    if "cpu" not in figures[0]:
        return wall
    return f"{wall} (CPU {middle(figures, 'cpu'):.2f} s, {middle(figures, 'memory'):.0f} MB)"


def result_of(output: Path) -> dict[str, dict[str, int] | float]:
    return json.loads(output.read_text().splitlines()[-1])


def same(side: str, planted: dict[str, int], counted: dict[str, int]) -> None:
    errors = {rule for rule in planted | counted if planted.get(rule) != counted.get(rule)}
    if errors:
        rule = min(errors)
        raise ValueError(
            f"{side} counts {len(errors)} rules differently, for example {rule}: "
            f"{counted.get(rule, 0)} rows instead of {planted.get(rule, 0)}"
        )
