"""The demo: from an empty folder to a served model, a promotion and a rollback, in a minute."""

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
from ..governance.readiness import assess
from ..governance.scorecard import terminal
from ..modes import DecisionMode
from ..project.project import Project
from ..records.store import Store
from ..settings import Settings
from ..training.evidence_store import digests, write_evidence
from ..training.governed_training import train_with_governance
from ..training.promotion import promote
from ..training.registry import Registry, Version
from .drills import (
    DrilledService,
    DrillError,
    highest_scoring_row,
    kill_switch_drill,
    rollback_drill,
    smoke_test,
)
from .readiness_inputs import readiness_inputs

DEMO_ACTOR = "make demo"
# The mode until somebody sets one. Before it has read its records, the service reports shadow.
DEMO_MODE = DecisionMode.ASSIST


def run_demo(project: Project) -> int:
    """Run the demo in var/demo, so that it does not touch the project's own registry."""
    for name in [name for name in os.environ if name.startswith(("ML_", "MLFLOW_"))]:
        if name not in ("ML_ALLOW_PICKLE", "ML_GOVERNANCE", "ML_GOVERNANCE_DIR"):
            # The demo must not depend on the settings of the shell.
            del os.environ[name]
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
        "\n1  The baseline. Today's rule passes the contract, the gates and the registry "
        "before any model."
    )
    first = train_with_governance(seam, settings, say, kind="baseline")
    registry = Registry(settings)
    promote(registry, DEMO_ACTOR, "the first version to serve", first.version.number)
    print("\n2  A model. It must be worth more than the baseline, in money.")
    second = train_with_governance(seam, settings, say)
    print("\n3  A service. It follows the champion.")
    stored: list[Evidence] = []
    with service_process(project.package, settings) as address:
        service = DrilledService(address)
        seen = wait_for_version(service, first.version)
        say(f"GET  {address}/v1/model -> version {seen['model_version']}, a {seen['kind']}")
        promote(registry, DEMO_ACTOR, "it passed the gates", second.version.number)
        seen = wait_for_version(service, second.version)
        say(
            f"promoted: the service switched to version {seen['model_version']}, "
            f"a {seen['kind']}, without a restart"
        )
        row = highest_scoring_row(service, seam)
        print(f"\n4  A request.\n          POST {address}/v1/predict {json.dumps({'rows': [row]})}")
        response = service.call("predict", {"rows": [row]})
        print(f"          -> {json.dumps(response)}")
        print("   The reasons for the score, strongest first:")
        for reason in service.call("explain", {"rows": [row]})["explanations"][0]["fields"][:3]:
            given, typical = reason["given"], reason["typical"]
            print(
                f"          {reason['field']} = {given} (typical: {typical}): "
                f"{reason['effect']:+.4f}"
            )
        print(
            "\n5  The outcome of a prediction, feedback on it, and the kill switch, which "
            "withholds decisions."
        )
        subject = digests(settings, seam, second.version)
        stored += smoke_test(service, seam, subject)
        for record in stored:
            print(f"          {record.check}: {record.value}")
        stored += kill_switch_drill(service, Store(settings.records_url), DEMO_ACTOR, subject)
        seconds = stored[-1].value
        print(f"          the kill switch took {seconds} s; then the mode was {DEMO_MODE} again")
        print("\n6  A rollback.")
        stored += rollback_drill(service, registry, DEMO_ACTOR, subject)
        say(
            f"rolled back: version 1, the baseline, serves after {stored[-1].value} s; "
            f"then version 2 was promoted again"
        )
    write_evidence(registry, stored)
    print("\n7  The registry: its versions and their history.")
    for version in registry.versions():
        print(f"          version {version.number}  {version.kind:8}  bundle {version.digest[:12]}")
    for event in registry.history():
        print(
            display(
                f"          {event['action']} {event['before'] or '-'} -> "
                f"{event['version']}: {event['why']}"
            )
        )
    print(
        "\n8  The readiness scorecard: what the demo has shown, and what people still have to do.\n"
    )
    card = assess(*readiness_inputs(seam, settings, registry, second.version))
    print(
        "\n".join(
            f"   {line}" for line in terminal(card, card.next_stage, whole=False).splitlines()
        )
    )
    print(
        "   The whole scorecard, with the 28 tests of the ML Test Score: "
        "ML_STATE_DIR=var/demo make readiness FORMAT=markdown"
    )
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Your own registry is untouched.")
    print(
        f"Next: read README.md, then replace the four files in src/{project.package}/, one "
        f"at a time."
    )
    return 0


@contextmanager
def service_process(package: str, settings: Settings) -> Iterator[str]:
    """Run the service as a process of its own, on a free port of this machine.

    If a drill fails, the error shows the end of the service's log.
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
        code = process.poll()
        ended = "" if code is None else f"\nThe service ended with exit code {code}."
        last = "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        raise DrillError(f"{error}{ended}\nThe end of {path}:\n{last}") from error
    finally:
        process.terminate()
        process.wait(20)


def wait_for_version(service: DrilledService, version: Version) -> dict[str, Any]:
    """Wait until the service serves `version` in the demo's mode; return the JSON of /v1/model.

    Raises DrillError if that does not happen.
    """
    wanted = (str(version.number), DEMO_MODE)
    service.wait_for(
        lambda facts: (facts["model_version"], facts["mode"]) == wanted, f"version {version.number}"
    )
    return service.call("model")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
