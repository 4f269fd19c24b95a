"""From nothing to a served model, a promotion and a rollback: the path of every project, in a
minute.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..display.plain_text import display
from ..governance.evidence import Evidence
from ..governance.scorecard import terminal
from ..modes import DecisionMode
from ..project.project import Project
from ..records.store import Store
from ..settings import Settings
from ..training.evidence_store import digests, write
from ..training.governed_training import train_with_governance
from ..training.promotion import promote
from ..training.registry import Registry, Version
from .drills import (
    DrilledService,
    DrillError,
    highest_scoring_row,
    rollback_drill,
    smoke,
    stop_drill,
)
from .readiness_report import scorecard

WHO = "make demo"
MODE = (
    DecisionMode.ASSIST
)  # what holds until it is switched; a service that has not read its records yet says shadow


def demo(project: Project) -> int:
    """Runs in var/demo, so that the project's own registry is not touched."""
    for name in [name for name in os.environ if name.startswith(("ML_", "MLFLOW_"))]:
        if name not in ("ML_ALLOW_PICKLE", "ML_GOVERNANCE", "ML_GOVERNANCE_DIR"):
            del os.environ[name]  # the demo is the same whatever the shell says
    settings = Settings(
        model_name=project.name,
        state_dir=Path("var/demo"),
        tracking_uri="",
        model_dir=None,
        port=_free_port(),
        admin_port=_free_port(),
        poll_seconds=0.5,
    )
    shutil.rmtree(settings.state_dir, ignore_errors=True)
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {line}", flush=True)

    seam = project.seam()
    print(
        "\n1  The baseline first: what is done today goes through contract, gates and "
        "registry before any model exists."
    )
    first = train_with_governance(seam, settings, say, kind="baseline")
    registry = Registry(settings)
    promote(registry, WHO, "something must answer from the first day", first.version.number)
    print("\n2  A model, which must be worth more than that.")
    second = train_with_governance(seam, settings, say)
    print("\n3  A service that follows the champion.")
    stored: list[Evidence] = []
    with serving(project.package, settings) as address:
        service = DrilledService(address)
        seen = wait_for(service, first.version)
        say(f"GET  {address}/v1/model -> version {seen['model_version']}, a {seen['kind']}")
        promote(registry, WHO, "it passed the gates", second.version.number)
        seen = wait_for(service, second.version)
        say(
            f"promoted: version {seen['model_version']}, a {seen['kind']}, answers; nobody "
            f"restarted anything"
        )
        row = highest_scoring_row(service, seam)
        print(f"\n4  A request.\n          POST {address}/v1/predict {json.dumps({'rows': [row]})}")
        answered = service.ask("predict", {"rows": [row]})
        print(f"          -> {json.dumps(answered)}")
        print("   Its reasons, strongest first:")
        for reason in service.ask("explain", {"rows": [row]})["explanations"][0]["fields"][:3]:
            given, typical = reason["given"], reason["typical"]
            print(
                f"          {reason['field']} = {given} (typical: {typical}): "
                f"{reason['effect']:+.4f}"
            )
        print(
            "\n5  What became of it, told by the prediction's id; and the stop, which "
            "takes the decision away."
        )
        subject = digests(settings, seam, second.version)
        stored += smoke(service, seam, subject)
        for record in stored:
            print(f"          {record.check}: {record.value}")
        stored += stop_drill(service, Store(settings.records_url), WHO, subject)
        print(f"          stopped within {stored[-1].value} s, and went on in {MODE}")
        print("\n6  Back again.")
        stored += rollback_drill(service, registry, WHO, subject)
        say(
            f"rolled back: version 1, the baseline, answers after {stored[-1].value} s; "
            f"and forward again"
        )
    write(registry, stored)
    print("\n7  What the registry knows.")
    for version in registry.versions():
        print(f"          version {version.number}  {version.kind:8}  bundle {version.digest[:12]}")
    for event in registry.history():
        print(
            display(
                f"          {event['action']} {event['before'] or '-'} -> "
                f"{event['version']}: {event['why']}"
            )
        )
    print("\n8  Where this stands: what the demo has shown, and what people have still to do.\n")
    card = scorecard(seam, settings, registry, second.version)
    print(
        "\n".join(
            f"   {line}" for line in terminal(card, card.next_stage, whole=False).splitlines()
        )
    )
    print(
        "   All of it, with the 28 of the ML Test Score: ML_STATE_DIR=var/demo make "
        "readiness FORMAT=markdown"
    )
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Your own registry is untouched.")
    print(
        f"Next: read README.md, then replace the four files in src/{project.package}/, one "
        f"at a time."
    )
    return 0


@contextmanager
def serving(package: str, settings: Settings) -> Iterator[str]:
    """The service as its own process, on a free port of this machine.

    A drill that fails shows the end of its log.
    """
    message = {
        "ML_STATE_DIR": str(settings.state_dir),
        "ML_PORT": str(settings.port),
        "ML_ADMIN_PORT": str(settings.admin_port),
        "ML_POLL_SECONDS": str(settings.poll_seconds),
    }
    path = settings.state_dir / "serve.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", package, "serve"], env=os.environ | message, stdout=log
        )
    try:
        yield f"http://127.0.0.1:{settings.port}"
    except DrillError as error:
        ended = "" if process.poll() is None else f"\nThe service ended with {process.returncode}."
        last = "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        raise DrillError(f"{error}{ended}\nThe end of {path}:\n{last}") from error
    finally:
        process.terminate()
        process.wait(20)


def wait_for(service: DrilledService, version: Version) -> dict[str, Any]:
    """What /v1/model says once `version` answers and its mode is known.

    Raises DrillError when it does not come.
    """
    wanted = (str(version.number), MODE)
    service.wait_for(
        lambda facts: (facts["model_version"], facts["mode"]) == wanted, f"version {version.number}"
    )
    return service.ask("model")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
