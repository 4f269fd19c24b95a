"""Deployment of the images to a cluster, by digest, and verification of what runs there."""

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
from .kubectl import ROLLOUT_SECONDS, DeploymentError, name_of, namespace_of, render_overlay

OVERLAYS = Path("deploy/overlays")
# The label of the manifests that must be ready before anything is replaced.
FIRST_STEP = "ml-service/step=first"
# deploy/clusters/replica-volumes uses a StatefulSet.
REPLICATED = ("Deployment", "StatefulSet")
DIGEST = re.compile(r"([^\s@]+)@(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Image:
    """An image in a registry, named by its digest."""

    repository: str
    digest: str

    @property
    def name(self) -> str:
        """The last part of the repository, by which the manifests name the image."""
        return _last(self.repository)


def parse_images(text: str) -> list[Image]:
    """Return the images that a line names.

    Raises DeploymentError if an image has no digest, since a tag may move, or is named twice.
    """
    result = []
    for reference in text.split():
        match = DIGEST.fullmatch(reference)
        if not match:
            raise DeploymentError(
                f"IMAGES: {reference!r} has no digest; works: "
                f"registry.example.org/team/name@sha256:{'0' * 64}"
            )
        result.append(Image(match[1], match[2]))
        if [image.name for image in result].count(result[-1].name) > 1:
            raise DeploymentError(f"IMAGES names {result[-1].name} twice: {text}")
    if not result:
        raise DeploymentError(
            "IMAGES names no image. Works: the line that the publishing workflow printed, such as "
            'IMAGES="registry.example.org/team/name@sha256:…"'
        )
    return result


def deploy_images(
    environment: str, wanted: Sequence[Image], folder: Path, say: Callable[[str], object] = print
) -> None:
    """Apply the overlay with the wanted images, and wait until they run.

    The first step, with the job that migrates the tables, completes before anything is replaced.
    `folder` lies inside the project and gets the kustomization with the digests. Raises
    DeploymentError.
    """
    overlay = OVERLAYS / environment
    known = {_bare(image) for document in render_overlay(overlay) for image in _images(document)}
    for image in wanted:
        if image.name not in {_last(name) for name in known}:
            raise DeploymentError(
                f"IMAGES: {overlay} uses no image {image.name!r}; "
                f"it uses {', '.join(sorted(known))}"
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
    documents = render_overlay(folder)
    used = {image for document in documents for image in _images(document)}
    if moving := sorted(image for image in used if not DIGEST.fullmatch(image)):
        raise DeploymentError(
            f"nothing was applied: IMAGES and {overlay} give no digest for {', '.join(moving)}"
        )
    jobs = [name_of(document) for document in documents if document["kind"] == "Job"]
    # Kubernetes does not allow changes of a job that ran.
    for job in jobs:
        kubectl.run_kubectl("delete", *job, "--ignore-not-found")
    if jobs:
        say(kubectl.run_kubectl("apply", "-k", str(folder), "-l", FIRST_STEP))
    for job in jobs:
        kubectl.wait_for_job(job)
        say(f"{job[0]} is done")
    say(kubectl.run_kubectl("apply", "-k", str(folder)))
    for document in documents:
        if document["kind"] in REPLICATED:
            timeout = f"--timeout={ROLLOUT_SECONDS}s"
            say(kubectl.run_kubectl("rollout", "status", *name_of(document), timeout))


def verify_images(
    environment: str, wanted: Sequence[Image], digests: dict[Subject, str]
) -> list[Evidence]:
    """Compare the digests that the pods of the overlay run with the wanted ones.

    Raises DeploymentError if the cluster does not respond.
    """
    digest_of = {image.name: image.digest for image in wanted}
    seen, counted, errors = set(), 0, []
    for document in render_overlay(OVERLAYS / environment):
        if document["kind"] not in REPLICATED:
            continue
        labels = ",".join(
            f"{key}={value}" for key, value in document["spec"]["selector"]["matchLabels"].items()
        )
        pods = json.loads(
            kubectl.run_kubectl("get", "pods", "-l", labels, *namespace_of(document), "-o", "json")
        )["items"]
        pinned = {
            _last(_bare(image)): image.partition("@")[2] for image in _images(document)
        } | digest_of
        for name, container, image, runs in _running_images(filter(_is_running, pods)):
            # The cluster may inject other containers, such as a mesh proxy.
            if image in pinned:
                seen.add(image)
                counted += 1
                if not pinned[image] or not runs.endswith(f"@{pinned[image]}"):
                    requested = pinned[image] or f"a known digest: IMAGES gives none for {image}"
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


def _is_running(pod: dict[str, Any]) -> bool:
    """Return whether a pod runs.

    An evicted pod stays listed with its images. A pod that the autoscaler just added runs nothing
    yet.
    """
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get(
        "deletionTimestamp"
    )


def _images(document: Any) -> Iterator[str]:
    """Yield the images that a manifest uses, at any depth."""
    if isinstance(document, dict):
        for container in _containers(document):
            if isinstance(container, dict) and "image" in container:
                yield container["image"]
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _images(part)


def _bare(image: str) -> str:
    """Return the repository: registry:5000/team/name:tag@sha256:… → registry:5000/team/name"""
    path, slash, name = image.partition("@")[0].rpartition("/")
    return path + slash + name.partition(":")[0]


def _last(repository: str) -> str:
    """Return the last part: registry:5000/team/name → name"""
    return repository.rpartition("/")[2]


def _running_images(pods: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (pod, container, name of its image, reference that its node runs).

    The kubelet reports the reference as registry/name@sha256:…
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
