"""Deployment by digest, with a simulated kubectl that responds as documented."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlprod.governance.check_catalogue import Subject
from mlprod.ops import kubectl as cluster
from mlprod.ops.deploy import Image, deploy_images, parse_images, verify_images
from mlprod.ops.kubectl import DeploymentError

NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WANTED = [
    Image("registry.example.org/team/serving", NEW),
    Image("registry.example.org/team/pipeline", NEW),
]
DIGESTS: dict[Subject, str] = {"code": "c" * 64}
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
    beside = {"name": "beside", "image": "mesh:1"}  # injected by the cluster
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
    """Responds with the objects of a test, and records its calls."""

    pods: list[dict[str, Any]]
    calls: list[str]
    job: str = "Complete"  # how it ends

    def __call__(self, *arguments: str) -> str:
        self.calls.append(" ".join(arguments))
        if arguments[0] == "kustomize":
            return kustomized(Path(arguments[1]) / "kustomization.yaml")
        if arguments[0] == "get" and arguments[1] == "job/migrate":
            ended = (
                [{"type": self.job, "status": "True"}]
                if self.calls.count(self.calls[-1]) > 1
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
    monkeypatch.setattr(cluster, "run_kubectl", made)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0)
    return made


def test_images_are_parsed_by_digest() -> None:
    assert parse_images(f" a:5000/b/serving@{NEW}  pipeline@{OLD}") == [
        Image("a:5000/b/serving", NEW),
        Image("pipeline", OLD),
    ]


def test_image_named_twice_is_refused() -> None:
    with pytest.raises(DeploymentError, match="names serving twice"):
        parse_images(f"a/serving@{NEW} b/serving@{OLD}")


@pytest.mark.parametrize(
    "message", ["", "serving", "serving:latest", "serving@sha256:abc", f"serving@{NEW};ls"]
)
def test_image_without_a_digest_is_refused(message: str) -> None:
    with pytest.raises(DeploymentError, match=r"@sha256:"):
        parse_images(message)


def test_deploy_migrates_first_then_applies_everything_by_digest(kubectl: Kubectl) -> None:
    deploy_images("staging", WANTED, Path("var/deploy/staging"))
    assert [call for call in kubectl.calls if not call.startswith("kustomize")] == [
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


def test_image_that_no_manifest_uses_is_refused_before_anything_is_applied(
    kubectl: Kubectl,
) -> None:
    with pytest.raises(
        DeploymentError,
        match=r"uses no image 'other'; it uses registry:5000/project/pipeline, .*serving",
    ):
        deploy_images("staging", [Image("registry.example.org/other", NEW)], Path("var/deploy"))
    assert not [call for call in kubectl.calls if not call.startswith("kustomize")]


def test_manifest_image_without_a_digest_is_refused_before_anything_is_applied(
    kubectl: Kubectl,
) -> None:
    with pytest.raises(
        DeploymentError,
        match=r"nothing was applied: .* no digest for registry:5000/project/pipeline$",
    ):
        deploy_images("staging", WANTED[:1], Path("var/deploy"))
    assert not [call for call in kubectl.calls if not call.startswith("kustomize")]


def test_failed_migration_is_reported_and_nothing_is_replaced(kubectl: Kubectl) -> None:
    kubectl.job = "Failed"
    with pytest.raises(
        DeploymentError,
        match=r"job/migrate failed, so nothing was replaced(?s:.*)could not connect",
    ):
        deploy_images("staging", WANTED, Path("var/deploy"))
    assert kubectl.calls[-1] == "logs job/migrate --namespace here --tail=20"


def test_migration_that_never_completes_is_reported(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ROLLOUT_SECONDS", 0)
    with pytest.raises(
        DeploymentError,
        match="not complete within 0 s, so nothing was replaced; kubectl describe job/migrate",
    ):
        deploy_images("staging", WANTED, Path("var/deploy"))


def test_wanted_images_on_every_pod_are_evidence(kubectl: Kubectl) -> None:
    (record,) = verify_images("production", WANTED, DIGESTS)
    assert kubectl.calls[-1] == "get pods -l app=serve,project=fraud --namespace here -o json"
    assert (record.check, record.passed, record.digests) == ("deployed-by-digest", True, DIGESTS)
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
        "one old pod",
        "an old sidecar",
        "no status",
        "not started",
        "no pods",
        "only a terminating pod",
    ],
)
def test_other_images_are_failed_evidence(
    kubectl: Kubectl, pods: list[dict[str, Any]], message: str
) -> None:
    kubectl.pods = pods
    (record,) = verify_images("production", WANTED, DIGESTS)
    assert not record.passed
    assert str(record.value).startswith(message)


def test_terminating_evicted_and_pending_pods_are_ignored(kubectl: Kubectl) -> None:
    evicted = pod(serving=OLD)
    evicted["status"]["phase"] = "Failed"
    pending = pod() | {"status": {"phase": "Pending"}}
    kubectl.pods = [
        pod(),
        evicted,
        pending,
        pod(serving=OLD, deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    (record,) = verify_images("production", WANTED, DIGESTS)
    assert record.passed


def test_image_without_a_wanted_digest_fails(kubectl: Kubectl) -> None:
    (record,) = verify_images("production", WANTED[:1], DIGESTS)
    assert not record.passed
    assert "serve-1/follower runs registry.example.org/pipeline@sha256:" in str(record.value)
    assert "IMAGES gives none for pipeline" in str(record.value)


def test_error_of_kubectl_is_in_the_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kubectl").write_text(
        "#!/bin/sh\necho 'the server could not be found' >&2\nexit 1\n"
    )
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeploymentError, match="kubectl get pods: the server could not be found"):
        cluster.run_kubectl("get", "pods")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeploymentError, match="kubectl is not on the PATH"):
        cluster.run_kubectl("get", "pods")
