"""The data check on a million rows of 20 fields in Parquet, against data frame validators with the
same rules.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from measure import Figures, Line, alternate, environment, middle, ratio, sources, timed

SIDES = Path(__file__).parent / "sides"
ROWS = 1_000_000
AGAIN = 5  # checks in one process, for the fastest
TARGETS = {"whole process": 2.0, "check alone, engine warm": 0.3}
PEERS = {"dataframely": "with_dataframely.py", "pandera on polars": "with_pandera.py"}


def lines(data: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """The table's lines.

    Raises ValueError when a side does not find exactly what is broken in the broken copy.
    """
    data.mkdir(parents=True, exist_ok=True)
    env, message = environment(PYTHONPATH=sources(project)), data / "said"
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
            same(name, planted, answer(message)["broken"])

    def whole(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            figures = timed([*command, data / "good.parquet"], env, message)
            same(str(command), {}, answer(message)["broken"])
            return figures

        return measure

    def alone(command: list[Path]) -> Callable[[], Figures]:
        def measure() -> Figures:
            timed([*command, data / "good.parquet", AGAIN], env, message)
            return {"wall": answer(message)["again"]}

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
        words(ours),
        f"{name}: {words(theirs)}",
        f"{ratio(ours, theirs, 'wall'):.2f}",
        f"≤ {TARGETS[what]} s",
        seconds <= TARGETS[what],
    )


def words(figures: list[Figures]) -> str:
    wall = f"{middle(figures, 'wall'):.2f} s"
    if "cpu" not in figures[0]:
        return wall
    return f"{wall} (CPU {middle(figures, 'cpu'):.2f} s, {middle(figures, 'memory'):.0f} MB)"


def answer(said: Path) -> dict[str, dict[str, int] | float]:
    return json.loads(said.read_text().splitlines()[-1])


def same(side: str, planted: dict[str, int], counted: dict[str, int]) -> None:
    errors = {rule for rule in planted | counted if planted.get(rule) != counted.get(rule)}
    if errors:
        rule = min(errors)
        raise ValueError(
            f"{side} counts {len(errors)} rules differently, for example {rule}: "
            f"{counted.get(rule, 0)} rows, planted were {planted.get(rule, 0)}"
        )
