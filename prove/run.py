"""Run the long proofs: in full weekly and before a release, as a sample for each change.

python prove/run.py [faults] [soak] [rows] [alarms] [parity] [cases] [projects] [--sample SEED]

Prints a Markdown table. Without --sample and names it also writes the table into docs/proofs.md.
If a proof fails, the command runs the others and then fails.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from place import CHECKOUT, Place, baked

PAGE = CHECKOUT / "docs" / "proofs.md"
MARK = "<!-- the last whole run -->\n"
PLUGIN = ("-p", "sample", "-p", "no:cacheprovider", "--durations=10")


def faults(place: Place) -> str:
    seconds = 20 if place.seed else 600
    tests = (
        "-m",
        "pytest",
        *PLUGIN,
        "-m",
        "faults and not soak",
        "--pyargs",
        "mlprod.testing.faults",
    )
    return f"{passed(place.python(*tests, FUZZ_SECONDS=seconds))}, including {seconds} s of fuzzing"


def soak(place: Place) -> str:
    message = place.run("make", "load-test", f"MINUTES={1 if place.seed else 30}")
    return re.findall(r"^[\d.]+ min, .*$", message, re.MULTILINE)[-1]


def rows(place: Place) -> str:
    with TemporaryDirectory() as folder:
        days = 100 if place.seed else 5_000
        return place.python(
            CHECKOUT / "prove" / "rows.py", folder, days, place.seed or "whole"
        ).splitlines()[-1]


def alarms(place: Place) -> str:
    days = 4 if place.seed else 20
    return place.python(CHECKOUT / "prove" / "alarms.py", days, place.seed or "whole").splitlines()[
        -1
    ]


def parity(place: Place) -> str:
    place.run("make", "mlprod/.venv/ready", cwd=CHECKOUT)
    families = (4,) if place.seed else ()
    library = CHECKOUT / "mlprod"
    script = CHECKOUT / "prove" / "parity.py"
    return place.run(
        library / ".venv" / "bin" / "python",
        *(script, 200_000, place.seed or "whole", *families),
        PYTHONPATH=library / "src",
    ).splitlines()[-1]


def cases(place: Place) -> str:
    return complete(passed(place.run("make", "test-library", "TESTS=-m sampled", cwd=CHECKOUT)))


def projects(place: Place) -> str:
    tests = ("-m", "pytest", "-m", "slow and sampled", "-n", 3, "--dist", "loadfile")
    return complete(passed(place.run(sys.executable, *tests, cwd=CHECKOUT)))


def passed(output: str) -> str:
    return re.findall(r"(\d+ passed(?:, \d+ (?:skipped|deselected))*)", output)[-1]


def complete(result: str) -> str:
    """Return the result. Raises IncompleteError if tests were skipped."""
    if "skipped" in result:
        raise IncompleteError(
            f"{result}; works: `.ci/run prove`, which installs the required programs"
        )
    return result


class IncompleteError(Exception):
    """A proof skipped some of its tests."""


PROOFS: dict[str, tuple[Callable[[Place], str], str]] = {
    "faults": (
        faults,
        "the service as a process: kill -9, database outage, full disk, overload, slow "
        "clients, fuzzing",
    ),
    "soak": (soak, "steady load: memory, open files, threads and p99 stay stable"),
    "rows": (
        rows,
        "batch scoring of a large table: one score for each row, independent of other rows, in "
        "bounded memory",
    ),
    "alarms": (alarms, "drift alerts by the rules, on quiet days and after a shift"),
    "parity": (parity, "each family of estimators: exported model and estimator agree"),
    "cases": (cases, "similar test cases of the library"),
    "projects": (
        projects,
        "life cycles of projects in every variant: providers, installers, servers, public data",
    ),
}


def main() -> int:
    args = arguments()
    names = args.proofs or list(PROOFS)
    if args.sample and not args.proofs:
        # `make test` runs the samples of the last two proofs.
        names = names[: names.index("cases")]
    failed, lines = [], []
    # The variables of `make prove` are not those of the makes below it.
    os.environ.pop("MAKEFLAGS", None)
    with TemporaryDirectory() as folder:
        place = baked(Path(folder), args.sample)
        for name in names:
            prove, what = PROOFS[name]
            began = time.monotonic()
            try:
                result = prove(place)
            except (subprocess.CalledProcessError, IncompleteError) as failure:
                failed.append(name)
                result = f"**failed**: {failure}"
            lines.append(f"| {what} | {result} | {(time.monotonic() - began) / 60:.1f} |")
    table = "\n".join(
        ["| proof | result | minutes |", "| --- | --- | --- |", *lines, "", described(args.sample)]
    )
    print(table)
    if not (args.sample or args.proofs or failed):
        PAGE.write_text(
            PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + table + "\n",
            "utf-8",
        )
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the long proofs.")
    parser.add_argument("proofs", nargs="*", help=f"{', '.join(PROOFS)}; default: all")
    parser.add_argument(
        "--sample", default="", metavar="SEED", help="a short sample of each, chosen by this text"
    )
    args = parser.parse_args()
    if unknown := set(args.proofs) - set(PROOFS):
        parser.error(f"unknown proof: {', '.join(sorted(unknown))}; works: {', '.join(PROOFS)}")
    return args


def described(seed: str) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True
    )
    what = f"A sample by the seed {seed}" if seed else "All proofs in full"
    return (
        f"{what}, on {datetime.now(UTC):%Y-%m-%d} at commit {commit.stdout.strip() or 'unknown'}, "
        f"{len(os.sched_getaffinity(0))} cores, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}."
    )


if __name__ == "__main__":
    sys.exit(main())
