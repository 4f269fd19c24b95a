"""Score many rows of the example: each id has one score, which does not depend on other rows.

python rows.py FOLDER DAYS SEED

Runs in the folder of a baked project with a champion. A day has 1,000 rows. Writes into FOLDER and
prints one line. Raises AssertionError if a score is missing or duplicate, or if it differs when the
row is scored in a small table.
"""

import random
import resource
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_DAYS = 500
# The seed chooses one of these days as the first.
FIRST_DAYS = 10_000
# Rows that are scored again in a small table.
CHECKED = 2_000
# Memory of the scoring process for any number of rows.
MAX_MEGABYTES = 1_200
# ru_maxrss is in kilobytes on Linux.
KILOBYTES_PER_MEGABYTE = 1_024


def main() -> None:
    folder, days, seeded = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    package = next(path.parent.name for path in Path("src").glob("*/contract.py"))
    contract, data = (import_module(f"{package}.{name}") for name in ("contract", "data"))
    first = data.START + timedelta(days=seeded.randrange(FIRST_DAYS))
    few, writer = [], None
    for start in range(0, days, CHUNK_DAYS):
        since, until = (
            first + timedelta(days=min(day, days)) for day in (start, start + CHUNK_DAYS)
        )
        rows = data.load(since, until).to_pyarrow()
        few.append(
            rows.take(
                sorted(
                    seeded.sample(range(len(rows)), min(CHECKED * CHUNK_DAYS // days, len(rows)))
                )
            )
        )
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", rows.schema)
        writer.write_table(rows)
    assert writer, f"{days} days have no rows"
    writer.close()
    pq.write_table(pa.concat_tables(few), folder / "few.parquet")

    began = perf_counter()
    many = scores(package, folder, "rows")
    took, memory = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ids = pq.read_table(folder / "rows.parquet", columns=[contract.ID])[contract.ID]
    assert len(many) == len(ids), f"{len(ids):,} rows and {len(many):,} scores"
    by_id = dict(zip(many[contract.ID].to_pylist(), many["score"].to_pylist(), strict=True))
    assert by_id.keys() == set(ids.to_pylist()), (
        "the ids of the scores differ from the ids of the rows"
    )
    alone = scores(package, folder, "few").to_pylist()
    others = [row for row in alone if by_id[row[contract.ID]] != row["score"]]
    assert not others, (
        f"{len(others)} of {len(alone)} rows have another score in a small table, "
        f"for example {others[0]}"
    )
    megabytes = memory / KILOBYTES_PER_MEGABYTE
    assert megabytes < MAX_MEGABYTES, (
        f"scoring used {megabytes:.0f} MB of memory, the maximum is {MAX_MEGABYTES} MB"
    )
    print(
        f"{len(ids):,} rows of {days:,} days since {first:%Y-%m-%d}: {len(by_id):,} ids "
        f"with one score each, "
        f"{len(alone):,} scored again in a small table with equal scores, "
        f"{megabytes:.0f} MB, {took:.0f} s"
    )


def scores(package: str, folder: Path, name: str) -> pa.Table:
    """Score a table with the verb `score` and return the scores."""
    table, to = folder / f"{name}.parquet", folder / f"{name}-scores.parquet"
    to.unlink(missing_ok=True)
    verb = [sys.executable, "-m", package, "score", "--input", table, "--output", to, "--dry-run"]
    done = subprocess.run([*map(str, verb)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return pq.read_table(to)


if __name__ == "__main__":
    main()
