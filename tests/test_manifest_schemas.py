"""Manifests of a baked project against the schemas of Kubernetes and the Prometheus operator.

The tests also run the policies of checkov. They do not need an API server.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Bake, BakedProject
from manifests import ENVIRONMENTS, build, built_once, pinned

__all__ = ["pinned"]  # a fixture
TOOLS = Path(shutil.which("kubernetes-validate") or "")
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("kubectl", "kubernetes-validate", "checkov"))),
    reason="kubectl, kubernetes-validate or checkov is not installed; .ci/run installs the last 2",
)
# Runs in the environment of kubernetes-validate. The models of the operator's schemas drop unknown
# keys, so a document must be the same after validation.
VALIDATE = """
import json, sys, kubernetes_validate
from cloudcoil.models.prometheus_operator import v1
requested = json.load(sys.stdin)
for document in requested["documents"]:
    try:
        if document["apiVersion"] == "monitoring.coreos.com/v1":
            model = getattr(v1, document["kind"]).model_validate(document)
            known = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            if known != document:
                print(document["kind"], "has keys that the schema does not have")
            continue
        for version in requested["versions"]:
            kubernetes_validate.validate(document, version, strict=True)
    except Exception as error:
        print(document["kind"], repr(error)[:300])
"""


def schema_errors(documents: list[Any], versions: list[str]) -> str:
    """Return the errors of the schemas for the documents."""
    requested = json.dumps({"documents": documents, "versions": versions})
    command = [str(TOOLS.parent / "python"), "-c", VALIDATE]
    done = subprocess.run(command, input=requested, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def versions() -> list[str]:
    """Return the versions with a schema since 1.29, the first version with sidecars."""
    (folder,) = TOOLS.parent.parent.glob(
        "lib/*/site-packages/kubernetes_validate/kubernetes-json-schema"
    )
    known = sorted(int(path.name.split(".")[1]) for path in folder.glob("v1.*.0-local-strict"))
    assert known[-1] >= 37
    return [f"1.{minor}.0" for minor in known if minor >= 29]


@needs_tools
def test_schemas_accept_a_manifest_and_reject_a_misspelled_key(bake: Bake) -> None:
    documents = build(bake().path, "production")
    errors = {"Deployment": "replica", "ServiceMonitor": "jobLable", "PrometheusRule": "group"}
    misspelled = [
        item | {"spec": item["spec"] | {errors[item["kind"]]: "a"}}
        for item in documents
        if item["kind"] in errors
    ]
    message = schema_errors(documents + misspelled, [versions()[0], versions()[-1]])
    assert [line.split()[0] for line in message.splitlines()] == [
        entry["kind"] for entry in misspelled
    ]
    assert len(misspelled) == len(errors)


@needs_tools
@pytest.mark.slow
def test_every_kubernetes_version_accepts_the_manifests(baked: BakedProject) -> None:
    documents = [
        document for item in ENVIRONMENTS for document in built_once(baked, item).documents
    ]
    assert schema_errors(documents, versions()) == ""


def policies(documents: list[Any], folder: Path) -> tuple[set[str], set[str]]:
    """Return the policies that fail, and those with an exception by an annotation."""
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    command = [
        "checkov",
        "--skip-download",
        "--framework",
        "kubernetes",
        "-o",
        "json",
        "-f",
        str(file),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["summary"]["parsing_errors"] == 0
    assert result["summary"]["passed"] > 300
    failed, skipped = (
        result["results"]["failed_checks"],
        result["results"].get("skipped_checks", []),
    )
    assert all(len(check["check_result"]["suppress_comment"]) > 40 for check in skipped), (
        "an exception needs a reason"
    )
    return {check["check_id"] for check in failed}, {check["check_id"] for check in skipped}


@needs_tools
@pytest.mark.slow
def test_policies_pass_with_two_exceptions(pinned: BakedProject, tmp_path: Path) -> None:
    documents = [document for item in ENVIRONMENTS for document in build(pinned.path, item)]
    assert policies(documents, tmp_path) == (set(), {"CKV_K8S_35", "CKV_K8S_40"})


@needs_tools
@pytest.mark.slow
def test_policies_fail_without_exceptions_and_digests(bake: Bake, tmp_path: Path) -> None:
    documents = build(bake().path, "production")
    for document in documents:
        document["metadata"].pop("annotations", None)
    failed, _ = policies(documents, tmp_path)
    assert failed == {"CKV_K8S_15", "CKV_K8S_35", "CKV_K8S_40", "CKV_K8S_43"}
