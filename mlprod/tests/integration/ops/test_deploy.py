"""Deployment by digest. kubectl is a stand-in that answers as the API is documented: tests have no
cluster.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlprod.governance.check_catalogue import Subject
from mlprod.ops import kubectl as cluster
from mlprod.ops.deploy import Image, deploy, deployed, images
from mlprod.ops.kubectl import DeploymentError

NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WANTED = [
    Image("registry.example.org/team/serving", NEW),
    Image("registry.example.org/team/pipeline", NEW),
]
ABOUT: dict[Subject, str] = {"code": "c" * 64}
SERVING, PIPELINE = "registry:5000/project/serving:0.1.0", "registry:5000/project/pipeline"
LABELS = {"app": "serve", "project": "fraud"}


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "here"}, "spec": spec}


def pod_spec(image: str = SERVING) -> dict[str, Any]:
    return {
        "initContainers": [{"name": "follower", "image": PIPELINE}],
        "containers": [{"name": "serve", "image": image}],
    }


MANIFESTS = [
    manifest(
        "Deployment",
        "serve",
        {"selector": {"matchLabels": LABELS}, "template": {"spec": pod_spec()}},
    ),
    manifest(
        "CronJob", "retrain", {"jobTemplate": {"spec": {"template": {"spec": pod_spec(PIPELINE)}}}}
    ),
    manifest(
        "Job",
        "migrate",
        {"template": {"spec": {"containers": [{"name": "migrate", "image": PIPELINE}]}}},
    ),
]


def pod(serving: str = NEW, follower: str = NEW, **metadata: Any) -> dict[str, Any]:
    runs = {"serve": f"registry.example.org/team/serving@{serving}", "beside": f"mesh@{OLD}"}
    beside = {"name": "beside", "image": "mesh:1"}  # put there by the cluster
    return {
        "metadata": {"name": "serve-1", **metadata},
        "spec": pod_spec() | {"containers": [*pod_spec()["containers"], beside]},
        "status": {
            "phase": "Running",
            "initContainerStatuses": [
                {"name": "follower", "imageID": f"registry.example.org/pipeline@{follower}"}
            ],
            "containerStatuses": [{"name": name, "imageID": id} for name, id in runs.items()],
        },
    }


@dataclass
class Kubectl:
    """Answers from what a test says is there, and remembers what it was asked."""

    pods: list[dict[str, Any]]
    asked: list[str]
    job: str = "Complete"  # how it ends

    def __call__(self, *arguments: str) -> str:
        self.asked.append(" ".join(arguments))
        if arguments[0] == "kustomize":
            return kustomized(Path(arguments[1]) / "kustomization.yaml")
        if arguments[0] == "get" and arguments[1] == "job/migrate":
            ended = (
                [{"type": self.job, "status": "True"}]
                if self.asked.count(self.asked[-1]) > 1
                else []
            )
            return json.dumps({"status": {"conditions": ended}})
        message = {"get": json.dumps({"items": self.pods}), "logs": "could not connect to server"}
        return message.get(arguments[0], "")


def kustomized(file: Path) -> str:
    """The manifests, with the images that a kustomization names by digest."""
    message = yaml.safe_dump_all(MANIFESTS)
    for image in yaml.safe_load(file.read_text())["images"] if file.is_file() else []:
        message = re.sub(
            rf"{image['name']}(:[\d.]+)?$",
            f"{image['newName']}@{image['digest']}",
            message,
            flags=re.MULTILINE,
        )
    return message


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kubectl:
    for environment in ("staging", "production"):
        (tmp_path / "deploy" / "overlays" / environment).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    made = Kubectl([pod(), pod()], [])
    monkeypatch.setattr(cluster, "kubectl", made)
    monkeypatch.setattr(cluster, "LOOK", 0)
    return made


def test_an_image_is_named_by_its_digest() -> None:
    assert images(f" a:5000/b/serving@{NEW}  pipeline@{OLD}") == [
        Image("a:5000/b/serving", NEW),
        Image("pipeline", OLD),
    ]


def test_an_image_is_named_once() -> None:
    with pytest.raises(DeploymentError, match="serving is named twice"):
        images(f"a/serving@{NEW} b/serving@{OLD}")


@pytest.mark.parametrize(
    "message", ["", "serving", "serving:latest", "serving@sha256:abc", f"serving@{NEW};ls"]
)
def test_what_names_no_digest_is_not_deployed(message: str) -> None:
    with pytest.raises(DeploymentError, match=r"@sha256:"):
        images(message)


def test_the_tables_come_first_then_everything_by_digest(kubectl: Kubectl) -> None:
    deploy("staging", WANTED, Path("var/deploy/staging"))
    assert [requested for requested in kubectl.asked if not requested.startswith("kustomize")] == [
        "delete job/migrate --namespace here --ignore-not-found",
        "apply -k var/deploy/staging -l ml-service/step=first",
        "get job/migrate --namespace here -o json",
        "get job/migrate --namespace here -o json",
        "apply -k var/deploy/staging",
        "rollout status deployment/serve --namespace here --timeout=600s",
    ]
    written = yaml.safe_load(Path("var/deploy/staging/kustomization.yaml").read_text())
    assert written["resources"] == ["../../../deploy/overlays/staging"]
    assert written["images"] == [
        {
            "name": "registry:5000/project/serving",
            "newName": "registry.example.org/team/serving",
            "digest": NEW,
        },
        {
            "name": "registry:5000/project/pipeline",
            "newName": "registry.example.org/team/pipeline",
            "digest": NEW,
        },
    ]


def test_an_image_that_no_manifest_uses_is_refused_before_anything_is_applied(
    kubectl: Kubectl,
) -> None:
    with pytest.raises(
        DeploymentError,
        match=r"uses no image 'other'; it uses registry:5000/project/pipeline, .*serving",
    ):
        deploy("staging", [Image("registry.example.org/other", NEW)], Path("var/deploy"))
    assert not [requested for requested in kubectl.asked if not requested.startswith("kustomize")]


def test_what_would_run_by_a_tag_is_refused_before_anything_is_applied(kubectl: Kubectl) -> None:
    with pytest.raises(
        DeploymentError,
        match=r"nothing was applied: .* no digest of registry:5000/project/pipeline$",
    ):
        deploy("staging", WANTED[:1], Path("var/deploy"))
    assert not [requested for requested in kubectl.asked if not requested.startswith("kustomize")]


def test_a_migration_that_fails_is_told_at_once_and_nothing_is_replaced(kubectl: Kubectl) -> None:
    kubectl.job = "Failed"
    with pytest.raises(
        DeploymentError,
        match=r"job/migrate failed, so nothing was replaced(?s:.*)could not connect",
    ):
        deploy("staging", WANTED, Path("var/deploy"))
    assert kubectl.asked[-1] == "logs job/migrate --namespace here --tail=20"


def test_a_migration_that_never_ends_is_told(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WAIT", 0)
    with pytest.raises(
        DeploymentError,
        match="not done within 0 s, so nothing was replaced; kubectl describe job/migrate",
    ):
        deploy("staging", WANTED, Path("var/deploy"))


def test_what_runs_everywhere_as_wanted_is_evidence(kubectl: Kubectl) -> None:
    (record,) = deployed("production", WANTED, ABOUT)
    assert kubectl.asked[-1] == "get pods -l app=serve,project=fraud --namespace here -o json"
    assert (record.check, record.passed, record.digests) == ("deployed-by-digest", True, ABOUT)
    assert record.value == f"production: 4 containers run {NEW}, {NEW}"


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        (
            [pod(), pod(serving=OLD)],
            f"serve-1/serve runs registry.example.org/team/serving@{OLD}, not {NEW}",
        ),
        (
            [pod(follower=OLD)],
            f"serve-1/follower runs registry.example.org/pipeline@{OLD}, not {NEW}",
        ),
        ([pod() | {"status": {"phase": "Running"}}], f"serve-1/follower runs nothing, not {NEW}"),
        ([pod() | {"status": {"phase": "Pending"}}], "no pod of deploy/overlays/production runs"),
        ([], "no pod of deploy/overlays/production runs pipeline or serving"),
        (
            [pod(deletionTimestamp="2026-01-01T00:00:00Z")],
            "no pod of deploy/overlays/production runs",
        ),
    ],
    ids=[
        "one pod of the old",
        "an old sidecar",
        "nothing known",
        "not started",
        "no pods",
        "only one that ends",
    ],
)
def test_anything_else_that_runs_is_told_and_kept_as_failed(
    kubectl: Kubectl, pods: list[dict[str, Any]], message: str
) -> None:
    kubectl.pods = pods
    (record,) = deployed("production", WANTED, ABOUT)
    assert not record.passed
    assert str(record.value).startswith(message)


def test_a_pod_that_ends_was_evicted_or_only_begins_is_not_asked(kubectl: Kubectl) -> None:
    evicted = pod(serving=OLD)
    evicted["status"]["phase"] = "Failed"
    begins = pod() | {"status": {"phase": "Pending"}}
    kubectl.pods = [
        pod(),
        evicted,
        begins,
        pod(serving=OLD, deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    (record,) = deployed("production", WANTED, ABOUT)
    assert record.passed


def test_one_image_asked_for_is_no_evidence_of_the_other(kubectl: Kubectl) -> None:
    (record,) = deployed("production", WANTED[:1], ABOUT)
    assert not record.passed
    assert "serve-1/follower runs registry.example.org/pipeline@sha256:" in str(record.value)
    assert "IMAGES says none of pipeline" in str(record.value)


def test_what_kubectl_says_when_it_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kubectl").write_text(
        "#!/bin/sh\necho 'the server could not be found' >&2\nexit 1\n"
    )
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeploymentError, match="kubectl get pods: the server could not be found"):
        cluster.kubectl("get", "pods")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeploymentError, match="kubectl is not on the PATH"):
        cluster.kubectl("get", "pods")
