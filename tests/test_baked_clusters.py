"""Examples for clusters: each component is built into the production overlay and checked."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import UNBAKED, Bake, BakedProject, baking
from manifests import Built, build, needs_kubectl
from test_manifest_schemas import needs_tools, schema_errors, versions

COMPONENTS = sorted(
    path.parent.name for path in (UNBAKED / "deploy" / "clusters").glob("*/kustomization.yaml")
)
FOREIGN_KINDS = {
    "HealthCheckPolicy",
    "HTTPRoute",
    "ExternalSecret",
}  # of operators, whose schemas are not at hand
pytestmark = needs_kubectl


def built_with(project: BakedProject, *components: str) -> Built:
    path = project.path / "deploy" / "overlays" / "production" / "kustomization.yaml"
    stored = path.read_text()
    content = yaml.safe_load(stored)
    content["components"] += [f"../../clusters/{name}" for name in components]
    path.write_text(yaml.safe_dump(content))
    try:
        return Built(project, "production", build(project.path, "production"))
    finally:
        path.write_text(stored)


@pytest.fixture(scope="module")
def project(cookies_session: Any) -> BakedProject:
    return baking(cookies_session)()


def addresses(policy: dict[str, Any], direction: str, side: str) -> set[str]:
    return {
        peer["ipBlock"]["cidr"]
        for rule in policy["spec"][direction]
        for peer in rule[side]
        if "ipBlock" in peer
    }


def test_each_cluster_and_purpose_has_an_example() -> None:
    assert COMPONENTS == [
        "aks",
        "eks",
        "existing-namespace",
        "external-secrets",
        "gateway",
        "gke",
        "priority",
        "replica-volumes",
    ]


@needs_tools
@pytest.mark.parametrize("component", COMPONENTS)
def test_schemas_accept_the_output_of_each_component(project: BakedProject, component: str) -> None:
    documents = built_with(project, component).documents
    known = [item for item in documents if item["kind"] not in FOREIGN_KINDS]
    assert len(known) >= len(documents) - 3
    assert schema_errors(known, [versions()[0], versions()[-1]]) == ""


@pytest.mark.parametrize("component", COMPONENTS)
def test_objects_of_a_component_are_in_the_namespace_and_in_the_first_step(
    project: BakedProject, component: str
) -> None:
    plain = {(entry["kind"], entry["metadata"]["name"]) for entry in built_with(project).documents}
    for item in built_with(project, component).documents:
        if (item["kind"], item["metadata"]["name"]) not in plain and item[
            "kind"
        ] != "PriorityClass":
            assert item["metadata"]["namespace"] == "fraud-scoring-production"
            if item["kind"] in ("NetworkPolicy", "ExternalSecret"):
                assert item["metadata"]["labels"]["ml-service/step"] == "first"


@pytest.mark.parametrize(
    ("component", "resolver"),
    [("gke", "169.254.20.10"), ("eks", "169.254.20.10"), ("aks", "169.254.10.10")],
)
def test_pods_may_reach_the_dns_cache_of_the_node(
    project: BakedProject, component: str, resolver: str
) -> None:
    policies = built_with(project, component).of("NetworkPolicy")
    assert f"{resolver}/32" in addresses(policies["to-dns"], "egress", "to")
    assert f"{resolver}/32" not in addresses(
        built_with(project).of("NetworkPolicy")["to-dns"], "egress", "to"
    )


@pytest.mark.parametrize(
    ("component", "policy", "address", "annotation"),
    [
        ("gke", "to-metadata-server", "169.254.169.254/32", "iam.gke.io/gcp-service-account"),
        ("eks", "to-pod-identity", "169.254.170.23/32", "eks.amazonaws.com/role-arn"),
    ],
)
def test_pods_may_reach_the_token_service_of_the_cloud(
    project: BakedProject, component: str, policy: str, address: str, annotation: str
) -> None:
    built = built_with(project, component)
    assert address in addresses(built.of("NetworkPolicy")[policy], "egress", "to")
    assert {"serve", "retrain", "score", "drift", "migrate"} <= built.chosen(policy)
    for account in built.of("ServiceAccount").values():
        assert annotation in account["metadata"]["annotations"]
        assert account["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "-2"


def test_azure_labels_and_annotations_are_set_on_pods_and_accounts(project: BakedProject) -> None:
    built = built_with(project, "aks")
    assert all(
        "azure.workload.identity/client-id" in entry["metadata"]["annotations"]
        for entry in built.of("ServiceAccount").values()
    )
    assert all(
        item["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        for item in built.templates().values()
    )


def test_load_balancer_health_check_uses_a_path_without_a_key(
    project: BakedProject,
) -> None:
    gke = built_with(project, "gke")
    assert {"35.191.0.0/16", "130.211.0.0/22"} <= addresses(
        gke.of("NetworkPolicy")["from-callers"], "ingress", "from"
    )
    check = gke.only("HealthCheckPolicy")["spec"]["default"]["config"]["httpHealthCheck"]
    assert check == {"port": 8000, "requestPath": "/healthz"}
    alb = built_with(project, "eks").only("Ingress")["metadata"]["annotations"]
    assert alb["alb.ingress.kubernetes.io/healthcheck-path"] == "/healthz"
    assert alb["alb.ingress.kubernetes.io/target-type"] == "ip"


def test_gateway_api_route_replaces_the_ingress(project: BakedProject) -> None:
    built = built_with(project, "gateway")
    assert not built.of("Ingress")
    route, ingress = built.only("HTTPRoute")["spec"], built_with(project).only("Ingress")["spec"]
    assert route["hostnames"] == [ingress["rules"][0]["host"]]
    assert (
        route["rules"][0]["matches"][0]["path"]["value"]
        == ingress["rules"][0]["http"]["paths"][0]["path"]
    )
    (port,) = (
        item["port"] for item in built.only("Service")["spec"]["ports"] if item["name"] == "http"
    )
    assert route["rules"][0]["backendRefs"] == [{"name": "serve", "port": port}]


def test_each_replica_has_its_own_volumes(project: BakedProject) -> None:
    plain, built = built_with(project), built_with(project, "replica-volumes")
    assert not built.of("Deployment")
    result, before = built.only("StatefulSet")["spec"], plain.only("Deployment")["spec"]
    claims = {
        element["metadata"]["name"]: element["spec"] for element in result["volumeClaimTemplates"]
    }
    assert {name: claim["accessModes"] for name, claim in claims.items()} == {
        "models": ["ReadWriteOnce"],
        "spool": ["ReadWriteOnce"],
    }
    pod, old = result["template"]["spec"], before["template"]["spec"]
    assert {entry["name"] for entry in pod["volumes"]} | claims.keys() == {
        item["name"] for item in old["volumes"]
    }
    mounted = {
        mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]
    }
    assert mounted <= {volume["name"] for volume in pod["volumes"]} | claims.keys()
    assert pod["containers"] == old["containers"]
    assert result["selector"] == before["selector"]
    assert built.only("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
    assert result["serviceName"] in built.of("Service")
    assert result["podManagementPolicy"] == "Parallel", (
        "a pod that is not ready must not block the start of the others"
    )


def test_service_has_priority_over_batch_jobs(project: BakedProject) -> None:
    built = built_with(project, "priority")
    name = built.only("PriorityClass")["metadata"]["name"]
    assert {
        maker: pod["spec"].get("priorityClassName")
        for maker, pod in built.templates().items()
        if maker == "serve"
    } == {"serve": name}


def test_existing_namespace_is_not_created(project: BakedProject) -> None:
    assert not built_with(project, "existing-namespace").of("Namespace")
    assert built_with(project).of("Namespace")


def test_every_manual_secret_can_come_from_a_secret_store(project: BakedProject) -> None:
    names = set(built_with(project, "external-secrets").of("ExternalSecret"))
    values = project.yaml("deploy/values/values.yaml")["secrets"]
    assert names == {values["database"], values["keys"], values["pipeline"]}


def test_compatible_components_build_together(project: BakedProject) -> None:
    for cloud in ("gke", "eks", "aks"):
        built_with(
            project, cloud, "priority", "replica-volumes", "existing-namespace", "external-secrets"
        )
    built_with(project, "gke", "gateway")


def test_pods_have_pull_secrets_for_a_private_registry(project: BakedProject) -> None:
    wanted = project.yaml("deploy/values/values.yaml")["secrets"]["pull"]
    accounts = built_with(project).of("ServiceAccount")
    assert len(accounts) == 2
    assert all(account["imagePullSecrets"] == wanted for account in accounts.values())


def test_gitops_runs_the_migration_after_its_dependencies_and_before_the_rest(
    project: BakedProject,
) -> None:
    built = built_with(project)
    migrate = built.only("Job")["metadata"]
    assert migrate["annotations"]["argocd.argoproj.io/hook"] == "Sync"
    assert migrate["annotations"]["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    assert migrate["annotations"]["kustomize.toolkit.fluxcd.io/force"] == "enabled"
    wave = "argocd.argoproj.io/sync-wave"
    for item in built.documents:
        first = item["metadata"].get("labels", {}).get("ml-service/step") == "first"
        result = item["metadata"].get("annotations", {}).get(wave)
        assert result == ("-1" if item["kind"] == "Job" else "-2" if first else None), item[
            "metadata"
        ]["name"]


def test_nightly_retraining_runs_in_the_cluster_or_in_ci_but_never_in_both(
    project: BakedProject,
) -> None:
    assert built_with(project).of("CronJob")["retrain"]["spec"]["suspend"] is True
    values = project.path / "deploy" / "values" / "values.yaml"
    stored = values.read_text()
    values.write_text(stored.replace("retrain:\n  suspend: true", "retrain:\n  suspend: false"))
    assert built_with(project).of("CronJob")["retrain"]["spec"]["suspend"] is False
    values.write_text(stored)
    assert "RETRAIN_ON" in project.read(".github/workflows/scheduled.yml")


def test_no_package_in_a_pod_sends_telemetry(project: BakedProject) -> None:
    built = built_with(project)
    for name, container in built.containers():
        message = built.variables(container)
        assert message["ORT_DISABLE_TELEMETRY"] == "1", name
        assert message["MLFLOW_DISABLE_TELEMETRY"] == "true", name


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_late_approval_of_an_older_run_does_not_replace_a_newer_deployment(
    provider: str, tmp_path: Path, bake: Bake
) -> None:
    """Run the step itself; substitutes for curl and git return the response of the git host."""
    baked = bake(ci_provider=provider)
    if provider == "github":
        job = baked.yaml(".github/workflows/ci.yml")["jobs"]["production"]
        names = [step.get("name") or step.get("run", "") for step in job["steps"]]
        assert names.index("only the newest commit is deployed") + 1 == names.index(
            "make deploy ENVIRONMENT=production"
        )
        (script,) = (
            step["run"]
            for step in job["steps"]
            if step.get("name") == "only the newest commit is deployed"
        )
    else:
        job = baked.yaml(".gitlab-ci.yml")["production"]["script"]
        lines = [line for item in job for line in (item if isinstance(item, list) else [item])]
        position = lines.index("make deploy ENVIRONMENT=production")
        script = "\n".join(lines[position - 2 : position])
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, answer in (("curl", "NEW"), ("git", "NEW\trefs/heads/main")):
        (tools / name).write_text(f"#!/bin/sh\nprintf '{answer}\\n'\n")
        (tools / name).chmod(0o755)
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "GITHUB_API_URL": "https://git.example.org/api/v3",
        "GITHUB_REPOSITORY": "org/parcels",
        "TOKEN": "t",
        "CI_DEFAULT_BRANCH": "main",
    }
    for commit, code in (("NEW", 0), ("OLD", 1)):
        variables = environment | {"GITHUB_SHA": commit, "CI_COMMIT_SHA": commit}
        done = subprocess.run(
            ["bash", "-euc", script], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
    assert "NEW by now" in done.stdout


def test_images_are_pushed_to_the_registry_of_the_git_host(bake: Bake) -> None:
    text = bake().read(".github/workflows/ci.yml")
    assert re.findall(r"ghcr\.io|github\.com", re.sub(r"uses: .*", "", text)) == ["ghcr.io"]
    assert "vars.IMAGE_REGISTRY || 'ghcr.io'" in text


def test_image_does_not_copy_the_file_modes_of_a_checkout(bake: Bake) -> None:
    text = bake().read("Dockerfile")
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        name = line.split()[-2]
        assert line.startswith("--chmod=") or re.search(
            rf"^RUN chmod -R u=rwX,go=rX.*\b{name.split('/')[0]}\b", text, re.M
        ), line
