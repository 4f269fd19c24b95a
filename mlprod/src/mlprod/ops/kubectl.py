"""kubectl, asked with its own configuration: what an overlay holds, what is applied, whether a job
is done.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

WAIT = 600  # seconds until everything must have been replaced
LOOK = 2.0  # seconds between two looks at a job


class DeploymentError(Exception):
    """Something other than what was asked for runs, or nothing; the message says what, and what
    kubectl said.
    """


def rendered(folder: Path) -> list[dict[str, Any]]:
    """The manifests of an overlay. Raises DeploymentError."""
    if not folder.is_dir():
        raise DeploymentError(f"there is no {folder}")
    return [
        document for document in yaml.safe_load_all(kubectl("kustomize", str(folder))) if document
    ]


def kubectl(*arguments: str) -> str:
    """What kubectl answers, with its own configuration. Raises DeploymentError."""
    result = shutil.which("kubectl")
    if result is None:
        raise DeploymentError("kubectl is not on the PATH")
    done = subprocess.run(
        [result, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise DeploymentError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
    return done.stdout.strip()


def wait_for(job: tuple[str, ...]) -> None:
    """Raises DeploymentError as soon as the job has failed, with the end of its log."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        status = json.loads(kubectl("get", *job, "-o", "json")).get("status") or {}
        ended = {
            item["type"] for item in status.get("conditions") or [] if item["status"] == "True"
        }
        if "Complete" in ended:
            return
        if "Failed" in ended:
            raise DeploymentError(
                f"{job[0]} failed, so nothing was replaced. It said:\n{_log(job)}"
            )
        time.sleep(LOOK)
    requested = f"kubectl describe {' '.join(job)}"
    raise DeploymentError(
        f"{job[0]} was not done within {WAIT} s, so nothing was replaced; {requested} may say why"
    )


def _log(job: tuple[str, ...]) -> str:
    try:
        return kubectl("logs", *job, "--tail=20")
    except DeploymentError as error:
        return str(error)


def name_of(document: dict[str, Any]) -> tuple[str, ...]:
    return (f"{document['kind'].lower()}/{document['metadata']['name']}", *namespace_of(document))


def namespace_of(document: dict[str, Any]) -> tuple[str, ...]:
    name = document["metadata"].get("namespace")
    return ("--namespace", name) if name else ()
