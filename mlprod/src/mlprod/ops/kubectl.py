"""Calls of kubectl, with its own configuration."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

# Seconds until the rollout must be complete.
ROLLOUT_SECONDS = 600
# Seconds between two checks of a job.
POLL_SECONDS = 2.0


class DeploymentError(Exception):
    """The deployment failed or was refused; the message states why, with the output of kubectl."""


def render_overlay(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests of an overlay. Raises DeploymentError."""
    if not folder.is_dir():
        raise DeploymentError(f"{folder}: no such folder; an overlay was expected there")
    return [
        document
        for document in yaml.safe_load_all(run_kubectl("kustomize", str(folder)))
        if document
    ]


def run_kubectl(*arguments: str) -> str:
    """Run kubectl and return its output. Raises DeploymentError."""
    program = shutil.which("kubectl")
    if program is None:
        raise DeploymentError("kubectl is not on the PATH. Works: install kubectl")
    done = subprocess.run(
        [program, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise DeploymentError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
    return done.stdout.strip()


def wait_for_job(job: tuple[str, ...]) -> None:
    """Wait until the job is complete.

    Raises DeploymentError with the end of its log as soon as it fails, or after ROLLOUT_SECONDS.
    """
    until = time.monotonic() + ROLLOUT_SECONDS
    while time.monotonic() < until:
        status = json.loads(run_kubectl("get", *job, "-o", "json")).get("status") or {}
        ended = {
            item["type"] for item in status.get("conditions") or [] if item["status"] == "True"
        }
        if "Complete" in ended:
            return
        if "Failed" in ended:
            raise DeploymentError(
                f"{job[0]} failed, so nothing was replaced. Its log ends with:\n{_log(job)}"
            )
        time.sleep(POLL_SECONDS)
    describe = f"kubectl describe {' '.join(job)}"
    raise DeploymentError(
        f"{job[0]} was not complete within {ROLLOUT_SECONDS} s, so nothing was replaced; "
        f"{describe} may show why"
    )


def _log(job: tuple[str, ...]) -> str:
    try:
        return run_kubectl("logs", *job, "--tail=20")
    except DeploymentError as error:
        return str(error)


def name_of(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the arguments of kubectl that name a manifest's object."""
    return (f"{document['kind'].lower()}/{document['metadata']['name']}", *namespace_of(document))


def namespace_of(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the arguments of kubectl that name its namespace, if it has one."""
    name = document["metadata"].get("namespace")
    return ("--namespace", name) if name else ()
