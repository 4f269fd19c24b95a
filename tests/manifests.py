"""Manifests of a baked project, built by kustomize, for tests."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Bake, BakedProject

ENVIRONMENTS = ("staging", "production")
DIGEST = "sha256:" + "0" * 64
NO_KUBECTL = "kubectl is not installed; .ci/run reports this"
needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason=NO_KUBECTL)


@dataclass(frozen=True)
class Built:
    project: BakedProject
    environment: str
    documents: list[Any]

    def of(self, kind: str) -> dict[str, Any]:
        return {item["metadata"]["name"]: item for item in self.documents if item["kind"] == kind}

    def only(self, kind: str) -> Any:
        (result,) = self.of(kind).values()
        return result

    def templates(self) -> dict[str, Any]:
        """Return the pod templates by the name of their workload."""
        result = {}
        for item in self.documents:
            spec = item.get("spec", {})
            if item["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
                result[item["metadata"]["name"]] = (
                    spec.get("template") or spec["jobTemplate"]["spec"]["template"]
                )
        return result

    def containers(self) -> Iterator[tuple[str, Any]]:
        for name, template in self.templates().items():
            for container in [
                *template["spec"].get("initContainers", []),
                *template["spec"]["containers"],
            ]:
                yield f"{name}/{container['name']}", container

    def container(self, name: str) -> Any:
        return dict(self.containers())[name]

    def chosen(self, policy: str) -> set[str]:
        """Return the workloads whose pods a policy selects."""
        selector = self.of("NetworkPolicy")[policy]["spec"]["podSelector"]
        return {
            name
            for name, template in self.templates().items()
            if matches(selector, template["metadata"]["labels"])
        }

    def variables(self, container: Any) -> dict[str, Any]:
        """Return the variables that the manifests set, without those of an envFrom Secret."""
        result: dict[str, Any] = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                result |= self.of("ConfigMap")[source["configMapRef"]["name"]]["data"]
        return result | {
            item["name"]: item.get("value", item.get("valueFrom"))
            for item in container.get("env", [])
        }


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    expressions = selector.get("matchExpressions", [])
    assert all(entry["operator"] == "In" for entry in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(item["key"]) in item["values"] for item in expressions
    )


def build(path: Path, environment: str) -> list[Any]:
    command = ["kubectl", "kustomize", f"deploy/overlays/{environment}"]
    done = subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@functools.cache
def built_once(project: BakedProject, environment: str) -> Built:
    return Built(project, environment, build(project.path, environment))


@pytest.fixture(params=ENVIRONMENTS)
def built(baked: BakedProject, request: pytest.FixtureRequest) -> Built:
    if not shutil.which("kubectl"):
        pytest.skip(NO_KUBECTL)
    return built_once(baked, request.param)


@pytest.fixture
def pinned(bake: Bake) -> BakedProject:
    """Return a project whose overlays pin the images by digest, as docs/cluster.md describes."""
    project = bake()
    images = project.yaml("deploy/values/values.yaml")["images"].values()
    named = [{"name": image.rpartition(":")[0], "digest": DIGEST} for image in images]
    assert "images: [{name: registry.example.org/PROJECT/serving, digest:" in project.read(
        "docs/cluster.md"
    )
    for environment in ENVIRONMENTS:
        with (project.path / "deploy" / "overlays" / environment / "kustomization.yaml").open(
            "a"
        ) as file:
            file.write(yaml.safe_dump({"images": named}))
    return project
