"""The service onto a cluster, named by digest, and the question of what runs there: it is the
cluster that answers.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..governance.check_catalogue import Subject
from ..governance.evidence import Evidence
from ..training.evidence_store import finding
from . import kubectl
from .kubectl import WAIT, DeploymentError, name_of, namespace_of, rendered

OVERLAYS = Path("deploy/overlays")
FIRST = "ml-service/step=first"  # label of what must be there before anything is replaced
REPLICATED = ("Deployment", "StatefulSet")  # the second by deploy/clusters/replica-volumes
DIGEST = re.compile(r"([^\s@]+)@(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Image:
    """An image in a registry, named by its digest."""

    repository: str
    digest: str

    @property
    def name(self) -> str:
        """The last part of its path: what the manifests call it."""
        return _last(self.repository)


def images(said: str) -> list[Image]:
    """The images that a line names, each once.

    Raises DeploymentError without a digest: a tag may move.
    """
    result = []
    for word in said.split():
        fits = DIGEST.fullmatch(word)
        if not fits:
            raise DeploymentError(
                f"{word!r} names no digest; works: registry.example.org/team/name@sha256:{'0' * 64}"
            )
        result.append(Image(fits[1], fits[2]))
        if [image.name for image in result].count(result[-1].name) > 1:
            raise DeploymentError(f"{result[-1].name} is named twice: {said}")
    if not result:
        raise DeploymentError(
            'which images? IMAGES="registry.example.org/team/name@sha256:…", as publishing '
            "printed them"
        )
    return result


def deploy(
    environment: str, wanted: Sequence[Image], folder: Path, say: Callable[[str], object] = print
) -> None:
    """Apply the overlay with the images wanted, and wait until they have replaced what ran.

    Raises DeploymentError.

    What is marked as the first step, with the job that brings the tables up, is done before
    anything is replaced. `folder`, inside the project, gets the kustomization that names the
    digests.
    """
    overlay = OVERLAYS / environment
    known = {_bare(image) for document in rendered(overlay) for image in _images(document)}
    for image in wanted:
        if image.name not in {_last(name) for name in known}:
            raise DeploymentError(
                f"{overlay} uses no image {image.name!r}; it uses {', '.join(sorted(known))}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    above = "/".join([".."] * len(folder.resolve().relative_to(Path.cwd().resolve()).parts))
    named = [
        {"name": name, "newName": image.repository, "digest": image.digest}
        for image in wanted
        for name in sorted(known)
        if _last(name) == image.name
    ]
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{above}/{overlay}"], "images": named}), encoding="utf-8"
    )
    documents = rendered(folder)
    used = {image for document in documents for image in _images(document)}
    if moving := sorted(image for image in used if not DIGEST.fullmatch(image)):
        raise DeploymentError(
            f"nothing was applied: IMAGES and {overlay} name no digest of {', '.join(moving)}"
        )
    jobs = [name_of(document) for document in documents if document["kind"] == "Job"]
    for job in jobs:  # one that ran cannot be changed
        kubectl.kubectl("delete", *job, "--ignore-not-found")
    if jobs:
        say(kubectl.kubectl("apply", "-k", str(folder), "-l", FIRST))
    for job in jobs:
        kubectl.wait_for(job)
        say(f"{job[0]} is done")
    say(kubectl.kubectl("apply", "-k", str(folder)))
    for document in documents:
        if document["kind"] in REPLICATED:
            say(kubectl.kubectl("rollout", "status", *name_of(document), f"--timeout={WAIT}s"))


def deployed(
    environment: str, wanted: Sequence[Image], digests: dict[Subject, str]
) -> list[Evidence]:
    """Ask the cluster which digests the pods of the overlay's deployments run.

    Raises DeploymentError when it is silent.
    """
    digest_of = {image.name: image.digest for image in wanted}
    seen, counted, errors = set(), 0, []
    for document in rendered(OVERLAYS / environment):
        if document["kind"] not in REPLICATED:
            continue
        labels = ",".join(
            f"{key}={value}" for key, value in document["spec"]["selector"]["matchLabels"].items()
        )
        pods = json.loads(
            kubectl.kubectl("get", "pods", "-l", labels, *namespace_of(document), "-o", "json")
        )["items"]
        pinned = {
            _last(_bare(image)): image.partition("@")[2] for image in _images(document)
        } | digest_of
        for name, container, image, runs in _run_by(filter(_lives, pods)):
            if image in pinned:  # another one was put beside them by the cluster
                seen.add(image)
                counted += 1
                if not pinned[image] or not runs.endswith(f"@{pinned[image]}"):
                    requested = pinned[image] or f"what a digest names: IMAGES says none of {image}"
                    errors.append(f"{name}/{container} runs {runs or 'nothing'}, not {requested}")
    if missing := digest_of.keys() - seen:
        errors.append(f"no pod of {OVERLAYS / environment} runs {' or '.join(sorted(missing))}")
    message = (
        "; ".join(errors)[:500]
        or f"{environment}: {counted} containers run {', '.join(digest_of.values())}"
    )
    return [finding("deployed-by-digest", not errors, digests, message)]


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _lives(pod: dict[str, Any]) -> bool:
    """One that was evicted stays listed with what it ran; one that the autoscaler just added runs
    nothing yet.
    """
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get(
        "deletionTimestamp"
    )


def _images(document: Any) -> Iterator[str]:
    """The images that a manifest uses, at whatever depth."""
    if isinstance(document, dict):
        for container in _containers(document):
            if isinstance(container, dict) and "image" in container:
                yield container["image"]
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _images(part)


def _bare(image: str) -> str:
    """registry:5000/team/name:tag@sha256:… → registry:5000/team/name"""
    path, slash, name = image.partition("@")[0].rpartition("/")
    return path + slash + name.partition(":")[0]


def _last(repository: str) -> str:
    """registry:5000/team/name → name"""
    return repository.rpartition("/")[2]


def _run_by(pods: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """(pod, container, name of its image, what its node says it runs); the kubelet writes
    registry/name@sha256:…
    """
    for pod in pods:
        status = pod.get("status") or {}
        received = [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]
        runs = {item["name"]: str(item.get("imageID", "")) for item in received}
        for container in _containers(pod["spec"]):
            image = _last(_bare(container["image"]))
            yield pod["metadata"]["name"], container["name"], image, runs.get(container["name"], "")
