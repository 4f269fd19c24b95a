"""From nothing to a served model, a promotion and a rollback: the path of every project, in a minute."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .pipeline.promotion import promote, rollback
from .pipeline.registry import Registry
from .pipeline.seam import Seam, project_seam
from .pipeline.training import train
from .settings import PACKAGE, Settings

WAIT = 30.0  # seconds until a promotion must have arrived
WHO = "make demo"
MODE = "assist"  # what holds until it is switched; a service that has not read its records yet says shadow


def demo() -> int:
    """Runs in var/demo, so that the project's own registry is not touched."""
    for name in [name for name in os.environ if name.startswith(("ML_", "MLFLOW_"))]:
        if name not in ("ML_ALLOW_PICKLE", "ML_GOVERNANCE"):
            del os.environ[name]  # the demo is the same whatever the shell says
    settings = Settings(
        state=Path("var/demo"),
        tracking_uri="",
        model_dir=None,
        port=_free_port(),
        ops_port=_free_port(),
        poll_seconds=0.5,
    )
    shutil.rmtree(settings.state, ignore_errors=True)
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {line}", flush=True)

    seam = project_seam()
    print(
        "\n1  The baseline first: what is done today goes through contract, gates and registry before any model exists."
    )
    first = train(seam, settings, say, kind="baseline")
    registry = Registry(settings)
    promote(registry, WHO, "something must answer from the first day", first.version.number)
    print("\n2  A model, which must be worth more than that.")
    second = train(seam, settings, say)
    print("\n3  A service that follows the champion.")
    with serving(settings) as address:
        seen = wait_for(address, str(first.version.number))
        say(f"GET  {address}/v1/model -> version {seen['model_version']}, a {seen['kind']}")
        promote(registry, WHO, "it passed the gates", second.version.number)
        seen = wait_for(address, str(second.version.number))
        say(f"promoted: version {seen['model_version']}, a {seen['kind']}, answers; nobody restarted anything")
        row = most_remarkable(address, seam)
        print(f"\n4  A request.\n          POST {address}/v1/predict {json.dumps({'rows': [row]})}")
        answered = ask(address, "predict", {"rows": [row]})
        print(f"          -> {json.dumps(answered)}")
        print("   Its reasons, strongest first:")
        for reason in ask(address, "explain", {"rows": [row]})["explanations"][0]["fields"][:3]:
            given, typical = reason["given"], reason["typical"]
            print(f"          {reason['field']} = {given} (typical: {typical}): {reason['effect']:+.4f}")
        print("\n5  What became of it, told by the prediction's id; and the stop, which takes the decision away.")
        time.sleep(1)  # a prediction is in the database a fifth of a second after its answer
        told = {"prediction_id": answered["predictions"][0]["id"], "outcome": 1, "at": "2026-06-01T12:00:00Z"}
        print(f"          POST /v1/outcomes -> {json.dumps(ask(address, 'outcomes', {'outcomes': [told]}))}")
        ask(address, "mode", {"mode": "shadow", "reason": "to show that it works"})
        shadowed = ask(address, "predict", {"rows": [row]})
        print(f"          POST /v1/mode shadow, POST /v1/predict -> {json.dumps(shadowed['predictions'][0])}")
        ask(address, "mode", {"mode": MODE, "reason": "it did"})
        print("\n6  Back again.")
        rollback(registry, WHO, "to show that it works")
        seen = wait_for(address, str(first.version.number))
        say(f"rolled back: version {seen['model_version']}, the {seen['kind']}, answers")
    print("\n7  What the registry knows.")
    for version in registry.versions():
        print(f"          version {version.number}  {version.kind:8}  bundle {version.digest[:12]}")
    for event in registry.history():
        print(f"          {event['action']} {event['before'] or '-'} -> {event['version']}: {event['why']}")
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Your own registry is untouched.")
    print(f"Next: read README.md, then replace the four files in src/{PACKAGE}/domain/, one at a time.")
    return 0


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The service as its own process, on a free port of this machine."""
    said = {
        "ML_STATE": str(settings.state),
        "ML_PORT": str(settings.port),
        "ML_OPS_PORT": str(settings.ops_port),
        "ML_POLL_SECONDS": str(settings.poll_seconds),
    }
    with (settings.state / "serve.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", PACKAGE, "serve"], env=os.environ | said, stdout=log)
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(address: str, version: str) -> dict[str, Any]:
    """What /v1/model says once `version` answers and its mode is known. Raises TimeoutError when it does not come."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/v1/model", timeout=2) as response:  # noqa: S310
                seen: dict[str, Any] = json.load(response)
            if seen["model_version"] == version and seen["mode"] == MODE:
                return seen
        except OSError:
            pass  # not up yet
        time.sleep(0.1)
    raise TimeoutError(f"version {version} did not answer at {address} within {WAIT:g} s")


def ask(address: str, route: str, content: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(content).encode()
    request = urllib.request.Request(f"{address}/v1/{route}", body)  # noqa: S310 - our own loopback address
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        found: dict[str, Any] = json.load(response)
    return found


def most_remarkable(address: str, seam: Seam) -> dict[str, Any]:
    """Of 500 rows of the data, the one that the service scores highest."""
    found = seam.load().select(*seam.terms.fields.names).limit(500).to_pyarrow().to_pylist()
    rows = [{name: value for name, value in row.items() if value is not None} for row in found]
    scores = [answer["score"] for answer in ask(address, "predict", {"rows": rows})["predictions"]]
    return rows[scores.index(max(scores))]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
