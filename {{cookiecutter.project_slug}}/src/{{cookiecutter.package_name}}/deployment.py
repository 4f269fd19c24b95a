"""The service onto a cluster, named by digest, and the question of what runs there: it is the cluster that answers."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .governance.catalogue import Subject
from .governance.evidence import Evidence
from .pipeline.evidence import finding

OVERLAYS = Path("deploy/overlays")
FIRST = "ml-service/step=first"  # label of what must be there before anything is replaced
WAIT = 600  # seconds until everything must have been replaced
DIGEST = re.compile(r"([^\s@]+)@(sha256:[0-9a-f]{64})")


class NotDeployed(Exception):
    """Something other than what was asked for runs, or nothing; the message says what, and what kubectl said."""


@dataclass(frozen=True)
class Image:
    """An image in a registry, named by its digest."""

    repository: str
    digest: str

    @property
    def name(self) -> str:
        """The last part of its path: what the manifests call it."""
        return self.repository.rpartition("/")[2]


def images(said: str) -> list[Image]:
    """The images that a line names. Raises NotDeployed without a digest: a tag may be another image tomorrow."""
    found = []
    for word in said.split():
        fits = DIGEST.fullmatch(word)
        if not fits:
            raise NotDeployed(f"{word!r} names no digest; works: registry.example.org/team/name@sha256:{'0' * 64}")
        found.append(Image(fits[1], fits[2]))
    if not found:
        raise NotDeployed('which images? IMAGES="registry.example.org/team/name@sha256:…", as publishing printed them')
    return found


def deploy(environment: str, wanted: Sequence[Image], folder: Path, say: Callable[[str], object] = print) -> None:
    """Apply the overlay with the images wanted, and wait until they have replaced what ran. Raises NotDeployed.

    What is marked as the first step, with the job that brings the tables up, is done before anything is replaced.
    `folder`, inside the project, gets the kustomization that names the digests.
    """
    overlay = OVERLAYS / environment
    known = {name for document in rendered(overlay) for name in _image_names(document)}
    for image in wanted:
        if image.name not in {name.rpartition("/")[2] for name in known}:
            raise NotDeployed(f"{overlay} uses no image {image.name!r}; it uses {', '.join(sorted(known))}")
    folder.mkdir(parents=True, exist_ok=True)
    above = "/".join([".."] * len(folder.resolve().relative_to(Path.cwd().resolve()).parts))
    named = [
        {"name": name, "newName": image.repository, "digest": image.digest}
        for image in wanted
        for name in sorted(known)
        if name.rpartition("/")[2] == image.name
    ]
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{above}/{overlay}"], "images": named}), encoding="utf-8"
    )
    documents = rendered(folder)
    jobs = [_name(document) for document in documents if document["kind"] == "Job"]
    for job in jobs:  # one that ran cannot be changed
        kubectl("delete", *job, "--ignore-not-found")
    if jobs:
        say(kubectl("apply", "-k", str(folder), "-l", FIRST))
    for job in jobs:
        say(kubectl("wait", *job, "--for=condition=complete", f"--timeout={WAIT}s"))
    say(kubectl("apply", "-k", str(folder)))
    for document in documents:
        if document["kind"] == "Deployment":
            say(kubectl("rollout", "status", *_name(document), f"--timeout={WAIT}s"))


def deployed(environment: str, wanted: Sequence[Image], digests: dict[Subject, str]) -> list[Evidence]:
    """Ask the cluster which digests the pods of the overlay's deployments run. Raises NotDeployed when it is silent."""
    by_name, seen, wrong = {image.name: image for image in wanted}, 0, []
    for document in rendered(OVERLAYS / environment):
        if document["kind"] != "Deployment":
            continue
        labels = ",".join(f"{key}={value}" for key, value in document["spec"]["selector"]["matchLabels"].items())
        pods = json.loads(kubectl("get", "pods", "-l", labels, *_namespace(document), "-o", "json"))["items"]
        living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        for name, container, image, runs in _run_by(living):
            if image in by_name:
                seen += 1
                if not runs.endswith(f"@{by_name[image].digest}"):
                    wrong.append(f"{name}/{container} runs {runs or 'nothing'}, not {by_name[image].digest}")
    if not seen:
        wrong.append(f"no pod of {OVERLAYS / environment} runs {' or '.join(sorted(by_name))}")
    said = "; ".join(wrong)[:500] or f"{environment}: {seen} containers run {', '.join(i.digest for i in wanted)}"
    return [finding("deployed-by-digest", not wrong, digests, said)]


def rendered(folder: Path) -> list[dict[str, Any]]:
    """The manifests of an overlay. Raises NotDeployed."""
    if not folder.is_dir():
        raise NotDeployed(f"there is no {folder}")
    return [document for document in yaml.safe_load_all(kubectl("kustomize", str(folder))) if document]


def kubectl(*arguments: str) -> str:
    """What kubectl answers, with its own configuration. Raises NotDeployed."""
    found = shutil.which("kubectl")
    if found is None:
        raise NotDeployed("kubectl is not on the PATH")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotDeployed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
    return done.stdout.strip()


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _image_names(document: Any) -> Iterator[str]:
    """The images that a manifest uses, at whatever depth, without tag or digest."""
    if isinstance(document, dict):
        for container in _containers(document):
            if isinstance(container, dict) and "image" in container:
                yield _bare(container["image"])
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _image_names(part)


def _bare(image: str) -> str:
    """registry:5000/team/name:tag@sha256:… → registry:5000/team/name"""
    path, slash, name = image.partition("@")[0].rpartition("/")
    return path + slash + name.partition(":")[0]


def _run_by(pods: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """(pod, container, name of its image, what its node says it runs); the kubelet writes registry/name@sha256:…"""
    for pod in pods:
        status = pod.get("status") or {}
        told = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        runs = {each["name"]: str(each.get("imageID", "")) for each in told}
        for container in _containers(pod["spec"]):
            image = _bare(container["image"]).rpartition("/")[2]
            yield pod["metadata"]["name"], container["name"], image, runs.get(container["name"], "")


def _name(document: dict[str, Any]) -> tuple[str, ...]:
    return (f"{document['kind'].lower()}/{document['metadata']['name']}", *_namespace(document))


def _namespace(document: dict[str, Any]) -> tuple[str, ...]:
    name = document["metadata"].get("namespace")
    return ("--namespace", name) if name else ()
