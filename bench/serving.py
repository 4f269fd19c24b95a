"""Throughput of the baked service with all features, and of alternative servers.

The server has one core, and the load has the other. One round of a side is: start, requests with
one row, requests with a hundred rows, end. A response other than 2xx makes the run invalid.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Figures, Line, alternate, environment, middle, ratio, sources, timed
from twenty import trained

SIDES = Path(__file__).parent / "sides"
CONNECTIONS, SECONDS, WARM_SECONDS = 16, 3, 1
# Rows of one request.
SIZES = (1, 100)
# Seconds until the first response of a side.
PATIENCE = 120.0
MLFLOW, BENTOML, FASTAPI, ECHO = "MLflow", "BentoML", "FastAPI by hand", "echo"
# Minimum throughput as a multiple of the other side's.
FASTER = {
    (MLFLOW, 1): 100,
    (FASTAPI, 1): 1.5,
    (ECHO, 1): 0.3,
    (MLFLOW, 100): 15,
}
# Maximum latency of one row in ms, start in s, and memory in MB.
SLOWEST, COLD, RESIDENT = 5.0, 0.8, 150.0


@dataclass(frozen=True)
class Side:
    """A server: its command with the placeholder {port}, and its request and response format."""

    command: Sequence[object]
    path: str
    env: dict[str, str]
    folder: Path
    to_body: Callable[[list[dict[str, Any]]], Any] = lambda rows: {"rows": rows}
    scores: Callable[[Any], list[float]] = lambda message: message["scores"]
    key: str = ""
    begin: Callable[[], None] = field(default=lambda: None)


def ready() -> None:
    """Raise ValueError if this machine cannot run the measurement."""
    if not shutil.which("wrk"):
        raise ValueError(
            "the serving measurement needs wrk, which is not installed; works: apt-get install wrk"
        )
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise ValueError(
            "the serving measurement needs Linux and two cores, one each for server and load"
        )


def lines(data: Path, project: Path, python: Path, peers: Path, pairs: int) -> list[Line]:
    """Return the lines of the table.

    Raises ValueError if a side has other scores or does not respond to a request.
    """
    sides = prepared(data, project, python, peers)
    cores = os.sched_getaffinity(0)
    # The core of the load. A server gets another core.
    os.sched_setaffinity(0, {max(cores)})
    try:
        lives = {
            name: lambda side=side: life(side, min(cores), data) for name, side in sides.items()
        }
        result = alternate(lives, pairs)
    finally:
        os.sched_setaffinity(0, cores)
    return [
        *(compare(name, rows, result) for rows in SIZES for name in sides if name != "ours"),
        compare_all("latency of one row, 99th percentile", "p99 of 1", "ms", SLOWEST, result),
        compare_all("start until the first response", "cold", "s", COLD, result),
        compare_all("resident memory after the load", "resident", "MB", RESIDENT, result),
    ]


def microseconds(data: Path, python: Path) -> str:
    """Return a table of the time of one request inside the service, without server and network."""
    spool, core = data / "spool", str(min(os.sched_getaffinity(0)))
    shutil.rmtree(spool, ignore_errors=True)
    env = environment(
        PYTHONPATH=sources(data / "project"), ML_STATE_DIR=data / "state", ML_EVENT_LOG_DIR=spool
    )
    command = ["taskset", "--cpu-list", core, python, SIDES / "microseconds.py", data / "rows.json"]
    timed([*command, data / "keys.json"], env, data / "output")
    result = json.loads((data / "output").read_text().splitlines()[-1])
    counts = list(result)
    heads = " | ".join(f"rows: {count}" for count in counts)
    table = f"| time of a request by step, µs | {heads} |\n| --- |"
    table += " --- |" * len(counts)
    for part in result[counts[0]]:
        table += f"\n| {part} | {' | '.join(f'{result[count][part]:,.1f}' for count in counts)} |"
    return table


def compare(name: str, rows: int, figures_of: dict[str, list[Figures]]) -> Line:
    def parts(figures: list[Figures]) -> str:
        rate, p99 = middle(figures, f"rate of {rows}"), middle(figures, f"p99 of {rows}")
        return f"{rate:,.0f}/s (p99 {p99:.1f} ms)"

    times, target = (
        ratio(figures_of["ours"], figures_of[name], f"rate of {rows}"),
        FASTER.get((name, rows)),
    )
    return Line(
        f"serving, {CONNECTIONS} connections × {rows} rows".replace(" 1 rows", " 1 row"),
        parts(figures_of["ours"]),
        f"{name}: {parts(figures_of[name])}",
        f"{times:.2f}",
        f"≥ {target}" if target else "",
        times >= target if target else None,
    )


def compare_all(
    what: str, figure: str, unit: str, most: float, figures_of: dict[str, list[Figures]]
) -> Line:
    def parts(name: str) -> str:
        value = middle(figures_of[name], figure)
        return f"{value:.0f} {unit}" if unit == "MB" else f"{value:.2f} {unit}"

    beside = ", ".join(f"{name} {parts(name)}" for name in figures_of if name != "ours")
    return Line(
        f"serving, {what}",
        parts("ours"),
        beside,
        target=f"< {most:g} {unit}",
        met=middle(figures_of["ours"], figure) < most,
    )


def prepared(data: Path, project: Path, python: Path, peers: Path) -> dict[str, Side]:
    """Train and promote with the project's verbs, and prepare each side with the same model."""
    made = trained(data, project, python)
    project, state, env, run = made.project, made.state, made.env, made.run
    key = run(python, "-m", "baked", "create-key", "--name", "bench", "--role", "predict")
    run(python, SIDES / "serving_model.py", state / "models", data, max(SIZES))
    theirs = environment(
        PYTHONPATH=SIDES,
        PATH=f"{peers.parent}:{os.environ['PATH']}",
        MODEL=data / "model.onnx",
        HOME=data,
    )
    theirs |= {"BENTOML_DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "NO_COLOR": "1"}
    run(peers, SIDES / "serving_mlflow.py", data / "estimator.pkl", data / "mlflow", env=theirs)

    def fresh() -> None:
        """Create a new event log and database for each round."""
        shutil.rmtree(data / "round", ignore_errors=True)
        (data / "round").mkdir()
        shutil.copy2(state / "records.db", data / "round" / "records.db")

    ours = env | {
        "ML_ENVIRONMENT": "staging",
        "ML_DATABASE_URL": f"sqlite:///{data / 'round' / 'records.db'}",
        "ML_EVENT_LOG_DIR": str(data / "round" / "spool"),
        "ML_PORT": "{port}",
        "ML_ADMIN_PORT": "0",
    }
    by_hand = theirs | {"PYTHONPATH": str(SIDES)}
    return {
        "ours": Side(
            [python, "-m", "baked", "serve", "--no-follow"],
            "/v1/predict",
            ours,
            project,
            scores=lambda message: [entry["score"] for entry in message["predictions"]],
            key=key,
            begin=fresh,
        ),
        MLFLOW: Side(
            [
                peers.parent / "mlflow",
                *f"models serve -m {data}/mlflow --env-manager local --port".split(),
                "{port}",
            ],
            "/invocations",
            theirs,
            data,
            to_body=lambda rows: {
                "dataframe_split": {
                    "columns": [*rows[0]],
                    "data": [[*row.values()] for row in rows],
                }
            },
            scores=lambda output: [item[1] for item in output["predictions"]],
        ),
        BENTOML: Side(
            [
                peers.parent / "bentoml",
                "serve",
                "serving_bentoml:Scores",
                "--port",
                "{port}",
                "--host",
                "127.0.0.1",
            ],
            "/predict",
            theirs,
            SIDES,
        ),
        FASTAPI: Side([python, SIDES / "serving_fastapi.py", "{port}"], "/predict", by_hand, data),
        ECHO: Side(
            [python, SIDES / "serving_echo.py", "{port}"],
            "/",
            by_hand,
            data,
            scores=lambda text: text["rows"],
        ),
    }


def life(side: Side, core: int, data: Path) -> Figures:
    """Start a side, measure it and end it; return its figures."""
    known = json.loads((data / "rows.json").read_text())
    bodies = {rows: json.dumps(side.to_body(known["rows"][:rows])).encode() for rows in SIZES}
    side.begin()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}{side.path}"
    command = [
        "taskset",
        "--cpu-list",
        str(core),
        *(str(part).replace("{port}", port) for part in side.command),
    ]
    env = {name: value.replace("{port}", port) for name, value in side.env.items()}
    with (data / "output").open("wb") as message:
        began = time.perf_counter()
        server = subprocess.Popen(
            command,
            cwd=side.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=message,
            stderr=message,
            process_group=0,
        )
    try:
        while (answer := send(url, bodies[1], side.key)) is None:
            if server.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise ValueError(
                    f"{command[3:]} does not respond: {(data / 'said').read_text()[-1_000:]}"
                )
            time.sleep(0.01)
        figures = {"cold": time.perf_counter() - began}
        for rows, body in bodies.items():
            answer = send(url, body, side.key)
            same(command, known, rows, side.scores(answer))
            (data / "body").write_bytes(body)
            load(url, side.key, data / "body", WARM_SECONDS)
            measured = load(url, side.key, data / "body", SECONDS)
            if measured["failed"]:
                raise ValueError(
                    f"{command[3:]} did not respond to {measured['failed']:.0f} requests"
                )
            figures[f"rate of {rows}"] = measured["requests"] / measured["seconds"]
            figures[f"p99 of {rows}"] = measured["p99"]
        return figures | {"resident": resident(server.pid)}
    finally:
        end(server)


def send(url: str, body: bytes, key: str) -> Any:
    """Send a request and return the response, or None if there is no valid one yet."""
    headers = {"content-type": "application/json"} | (
        {"authorization": f"Bearer {key}"} if key else {}
    )
    try:
        # The benchmark itself made the address, http on loopback.
        request = urllib.request.Request(url, body, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return json.load(answer)
    # The server is not up, or its model is not loaded.
    except OSError:
        return None


def same(command: Sequence[str], known: dict[str, Any], rows: int, scores: list[Any]) -> None:
    """Raise ValueError unless the scores equal those of the bundle; the echo returns the rows."""
    for mine, row, score in zip(known["scores"][:rows], known["rows"][:rows], scores, strict=True):
        if score != row and not (isinstance(score, float) and abs(score - mine) < 1e-5):
            raise ValueError(f"{command[3:]} returns the score {score}, the bundle {mine}")


def load(url: str, key: str, body: Path, seconds: int) -> dict[str, float]:
    command = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        CONNECTIONS,
        "--duration",
        seconds,
        "--timeout",
        10,
    ]
    run = subprocess.run(
        [*map(str, command), "--script", str(SIDES / "serving.lua"), url],
        env=environment(BODY=body, KEY=key),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def resident(server: int) -> float:
    """Return the resident memory of a process and its descendants in MB."""
    parents, pages = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int(
                (process / "stat").read_text().rpartition(")")[2].split()[1]
            )
            pages[int(process.name)] = int((process / "statm").read_text().split()[1])
        # The process has just ended.
        except OSError:
            continue
    family = {server}
    while result := {child for child, parent in parents.items() if parent in family} - family:
        family |= result
    return sum(pages.get(process, 0) for process in family) * os.sysconf("SC_PAGESIZE") / 2**20


def end(server: subprocess.Popen[bytes]) -> None:
    for kind, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(server.pid, kind)
            server.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
