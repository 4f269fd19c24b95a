"""Batch scoring of tables with 20 fields, against pandas with the same estimator.

Both sides are complete processes that read and write Parquet.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from measure import Figures, Line, alternate, environment, middle, ratio, timed
from twenty import SIDES, trained

ROWS, MANY = 1_000_000, 5_000_000
# Rows for the measurement with records.
RECORDED = 100_000
# Minimum speed as a multiple of pandas.
FASTER = {ROWS: 3.0, MANY: 4.0}
# Maximum growth of memory for five times the rows.
FLAT = 1.1
PANDAS = "pandas + scikit-learn"


def lines(data: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """Return the lines of the table.

    Raises ValueError if the two sides have different scores or ids.
    """
    made, message = trained(data, project, python), data / "output"
    # Writes the estimator of the model.
    made.run(python, SIDES / "serving_model.py", made.state / "models", data, 1)
    made.run(python, "-m", "baked", "create-key", "--name", "bench", "--role", "predict")
    for rows in (RECORDED, ROWS, MANY):
        made.run(python, SIDES / "batch_rows.py", data, rows)

    def ours(rows: int, *options: str) -> Callable[[], Figures]:
        def measure() -> Figures:
            table, to = data / f"rows-{rows}.parquet", data / "ours.parquet"
            return timed(
                [python, "-m", "baked", "score", "--input", table, "--output", to, *options],
                made.env,
                message,
            )

        return measure

    def theirs(rows: int) -> Callable[[], Figures]:
        command = [peers, SIDES / "batch_pandas.py", data, rows, data / "theirs.parquet"]
        return lambda: timed(command, environment(PYTHONPATH=SIDES), message)

    shutil.copy2(made.state / "records.db", data / "empty.db")

    def recorded() -> Figures:
        shutil.copy2(data / "empty.db", made.state / "records.db")
        return ours(RECORDED)()

    result, memory = [], {}
    for rows, most in FASTER.items():
        times = alternate({"ours": ours(rows, "--dry-run"), PANDAS: theirs(rows)}, pairs)
        timed([python, SIDES / "batch_same.py", data, rows], made.env, message)
        if (off := json.loads(message.read_text().splitlines()[-1])) != 0:
            raise ValueError(f"{off} of {rows:,} rows have another score or id")
        memory[rows] = {name: middle(figures, "memory") for name, figures in times.items()}
        faster = ratio(times[PANDAS], times["ours"], "wall")
        result.append(
            Line(
                f"batch scoring, {rows:,} rows × 20, Parquet to Parquet, whole process",
                formatted(times["ours"]),
                f"{PANDAS}: {formatted(times[PANDAS])}",
                f"{faster:.2f}",
                f"≥ {most:g}",
                faster >= most,
            )
        )
    grown = {name: memory[MANY][name] / memory[ROWS][name] for name in memory[ROWS]}
    result.append(
        Line(
            f"batch scoring, memory of {MANY:,} rows against {ROWS:,}",
            f"{grown['ours']:.2f} times",
            f"{PANDAS}: {grown[PANDAS]:.2f} times",
            "",
            f"≤ {FLAT:g} times",
            grown["ours"] <= FLAT,
        )
    )
    stored = alternate({"ours": recorded}, pairs)["ours"]
    return [
        *result,
        Line(f"batch scoring, {RECORDED:,} rows, with records (SQLite)", formatted(stored), ""),
    ]


def formatted(figures: list[Figures]) -> str:
    return (
        f"{middle(figures, 'wall'):.2f} s (CPU {middle(figures, 'cpu'):.2f} s, "
        f"{middle(figures, 'memory'):.0f} MB)"
    )
