"""Measure the template against its peers and print a Markdown table.

python bench/run.py [bake] [contract] [parity] [drift] [batch] [serving] [derive] [--pairs N]

Run it in the template's own environment (Cookiecutter, uv). Environments and the table remain in
BENCH_DIR, by default .bench. A missed target is only shown. Sides with different results fail the
run.
"""

import argparse
import hashlib
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import bake
import batch
import contract_check
import derive
import drift
import parity
import serving
from measure import Line, environment

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).parent / "requirements.txt"
ROWS = ("bake", "contract", "parity", "drift", "batch", "serving", "derive")
NAMED = (
    "dataframely",
    "pandera",
    "polars",
    "duckdb",
    "ibis-framework",
    "scikit-learn",
    "skl2onnx",
    "onnxruntime",
)
NAMED += ("mlflow", "bentoml", "fastapi", "uvicorn", "evidently", "scipy", "pandas")
# Minimum number of pairs for a reliable figure.
MIN_PAIRS = 5


def main() -> int:
    args = arguments()
    store = Path(os.environ.get("BENCH_DIR", CHECKOUT / ".bench")).resolve()
    store.mkdir(parents=True, exist_ok=True)
    (store / ".gitignore").write_text("*\n")
    locks, load, more = [PEERS], os.getloadavg()[0], []
    try:
        result = measured(args.rows, args.pairs, store, locks, more)
    except (ValueError, subprocess.CalledProcessError) as failure:
        print(f"{failure}\n{getattr(failure, 'output', None) or ''}", file=sys.stderr)
        return 1
    table = (
        "| measurement | ours | peer | ratio | target | |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    table += "\n".join(line.markdown() for line in result)
    table += (
        f"\n\nMedians, and medians of the ratios, of {args.pairs} alternating rounds on "
        f"{machine(locks)}"
    )
    table += f" Load average at the start: {load:.1f}."
    if args.pairs < MIN_PAIRS:
        table += f" These figures are not reliable: they need at least {MIN_PAIRS} rounds."
    table = "\n\n".join([table, *more])
    (store / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    return 0


def measured(
    rows: list[str], pairs: int, store: Path, locks: list[Path], more: list[str]
) -> list[Line]:
    """Return the lines of the table.

    Adds the installed locks to `locks`, and additional tables to `more`.
    """
    result: list[Line] = []
    if "serving" in rows:
        serving.ready()
    if "bake" in rows:
        report_progress("bake")
        result += bake.lines(CHECKOUT, pairs)
    if {"contract", "parity", "drift", "batch", "serving", "derive"} & set(rows):
        project = baked(store)
        locks.append(project / "requirements" / "dev.txt")
        python = installed(store / "project", locks[-1])
    if {"contract", "drift", "batch", "serving"} & set(rows):
        peers = installed(store / "peers", PEERS)
    if "contract" in rows:
        report_progress("contract check")
        result += contract_check.lines(store / "rows", project, python, peers, pairs)
    if "parity" in rows:
        report_progress("parity")
        result += parity.lines(store / "rows", project, python)
    if "drift" in rows:
        report_progress("drift")
        result += drift.lines(store / "drift", project, python, peers, pairs)
    if "batch" in rows:
        report_progress("batch scoring")
        result += batch.lines(store / "batch", project, python, peers, pairs)
    if "derive" in rows:
        report_progress("derive")
        result += derive.lines(store / "derive", project, python, pairs)
    if "serving" in rows:
        report_progress("serving")
        result += serving.lines(store / "serving", project, python, peers, pairs)
        more.append(serving.microseconds(store / "serving", python))
    return result


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the template against its peers.")
    parser.add_argument("rows", nargs="*", help=f"{', '.join(ROWS)}; default: all")
    parser.add_argument(
        "--pairs",
        type=int,
        default=MIN_PAIRS,
        help="rounds of each measurement, default %(default)s",
    )
    args = parser.parse_args()
    args.rows = args.rows or list(ROWS)
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"unknown row: {', '.join(sorted(unknown))}; works: {', '.join(ROWS)}")
    if args.pairs < 1:
        parser.error(f"--pairs is too small; given: {args.pairs}; works: 1 or more")
    return args


def baked(store: Path) -> Path:
    """Bake a project with default answers, except the package name that the sides import."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        env = bake.home(root)
        template = bake.snapshot(CHECKOUT, root / "template", env)
        bake.bake(template, store / "baked", env, root, "project_slug=baked", "package_name=baked")
    return store / "baked" / "baked"


def installed(folder: Path, lock: Path) -> Path:
    """Return the Python of an environment with exactly this lock.

    Creates the environment again if the lock or the Python version changes.
    """
    state = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    python, stamp = folder / "bin" / "python", folder / "locked"
    if not stamp.is_file() or stamp.read_text() != state:
        report_progress(f"installing {folder.name}")
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
            [*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock],
        ):
            subprocess.run(command, check=True, env=environment())
        stamp.write_text(state)
    return python


def machine(locks: list[Path]) -> str:
    """Return cores, processor, Python and package versions, on which the figures depend."""
    pins = dict(
        re.findall(
            r"^([\w.-]+)==(\S+)", "\n".join(lock.read_text() for lock in locks), re.MULTILINE
        )
    )
    tools = [f"{name} {pins[name]}" for name in NAMED if name in pins]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores, {processor()}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; Cookiecutter {version('cookiecutter')}, "
        f"{', '.join(tools)}."
    )


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    result = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return result[1] if result else platform.processor() or "unknown processor"


def report_progress(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
