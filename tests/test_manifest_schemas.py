"""Manifests of a baked project against schemas of Kubernetes and the Prometheus operator, and
checkov's policies.

No API server is asked: none can be had here.
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
    reason="kubectl, kubernetes-validate or checkov is not on this machine; .ci/run installs the "
    "last two",
)
# Runs where kubernetes-validate is installed. The operator's schemas come as models that drop what
# they do not know, so
# what comes back must be what went in.
HOLD = """
import json, sys, kubernetes_validate
from cloudcoil.models.prometheus_operator import v1
asked = json.load(sys.stdin)
for document in asked["documents"]:
    try:
        if document["apiVersion"] == "monitoring.coreos.com/v1":
            model = getattr(v1, document["kind"]).model_validate(document)
            known = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            if known != document:
                print(document["kind"], "holds what the schema does not know")
            continue
        for version in asked["versions"]:
            kubernetes_validate.validate(document, version, strict=True)
    except Exception as error:
        print(document["kind"], repr(error)[:300])
"""


def held(documents: list[Any], versions: list[str]) -> str:
    """What the schemas have against the documents."""
    requested = json.dumps({"documents": documents, "versions": versions})
    command = [str(TOOLS.parent / "python"), "-c", HOLD]
    done = subprocess.run(command, input=requested, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def versions() -> list[str]:
    """Every version from 1.29, where sidecars began, whose schemas kubernetes-validate brings."""
    (folder,) = TOOLS.parent.parent.glob(
        "lib/*/site-packages/kubernetes_validate/kubernetes-json-schema"
    )
    known = sorted(int(path.name.split(".")[1]) for path in folder.glob("v1.*.0-local-strict"))
    assert known[-1] >= 37
    return [f"1.{minor}.0" for minor in known if minor >= 29]


@needs_tools
def test_schemas_have_nothing_against_a_manifest_but_notice_a_misspelt_key(bake: Bake) -> None:
    documents = build(bake().path, "production")
    errors = {"Deployment": "replica", "ServiceMonitor": "jobLable", "PrometheusRule": "group"}
    misspelt = [
        item | {"spec": item["spec"] | {errors[item["kind"]]: "a"}}
        for item in documents
        if item["kind"] in errors
    ]
    message = held(documents + misspelt, [versions()[0], versions()[-1]])
    assert [line.split()[0] for line in message.splitlines()] == [
        entry["kind"] for entry in misspelt
    ]
    assert len(misspelt) == len(errors)


@needs_tools
@pytest.mark.slow
def test_no_version_has_anything_against_a_manifest(baked: BakedProject) -> None:
    documents = [
        document for item in ENVIRONMENTS for document in built_once(baked, item).documents
    ]
    assert held(documents, versions()) == ""


def policies(documents: list[Any], folder: Path) -> tuple[set[str], set[str]]:
    """The policies that fail, and those that are excepted by an annotation."""
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
        "an exception has its reason"
    )
    return {check["check_id"] for check in failed}, {check["check_id"] for check in skipped}


@needs_tools
@pytest.mark.slow
def test_the_policies_are_met_but_for_two_exceptions(pinned: BakedProject, tmp_path: Path) -> None:
    documents = [document for item in ENVIRONMENTS for document in build(pinned.path, item)]
    assert policies(documents, tmp_path) == (set(), {"CKV_K8S_35", "CKV_K8S_40"})


@needs_tools
@pytest.mark.slow
def test_without_exceptions_and_digests_the_policies_fail(bake: Bake, tmp_path: Path) -> None:
    documents = build(bake().path, "production")
    for document in documents:
        document["metadata"].pop("annotations", None)
    failed, _ = policies(documents, tmp_path)
    assert failed == {"CKV_K8S_15", "CKV_K8S_35", "CKV_K8S_40", "CKV_K8S_43"}
