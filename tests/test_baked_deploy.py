"""Manifests of a baked project, built by kustomize and compared with the code."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from conftest import LIBRARY, Bake, BakedProject
from manifests import DIGEST, ENVIRONMENTS, Built, build, built, matches, needs_kubectl, pinned

__all__ = ["built", "pinned"]  # fixtures
# Environment variables that other packages read.
FOREIGN = {"MLFLOW_TRACKING_URI", "OMP_NUM_THREADS", "TMPDIR", "PGPASSWORD"}
FOREIGN |= {"ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY"}
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
FIRST = ("ml-service/step", "first")


def defaults() -> dict[str, Any]:
    """Return the fields of the settings with their defaults; None if a default is not literal."""
    (settings,) = (
        n
        for n in ast.parse((LIBRARY / "settings.py").read_text()).body
        if isinstance(n, ast.ClassDef) and n.name == "Settings"
    )
    fields = [
        n for n in settings.body if isinstance(n, ast.AnnAssign) and isinstance(n.value, ast.Call)
    ]
    result = {}
    for field in fields:
        assert isinstance(field.target, ast.Name)
        assert isinstance(field.value, ast.Call)
        (default,) = (keyword.value for keyword in field.value.keywords if keyword.arg == "default")
        result[field.target.id] = default.value if isinstance(default, ast.Constant) else None
    assert {"port", "admin_port", "keys_file"} <= result.keys()
    return result


def source(name: str) -> str:
    return (LIBRARY / name).read_text()


@needs_kubectl
def test_every_value_is_used_in_a_manifest(bake: Bake) -> None:
    """Each value is replaced by a unique mark, which must appear in the manifests."""
    project, marks = bake(), iter(range(1000, 2000))
    wanted: list[Any] = []

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [marked(item) for item in value]
        if isinstance(value, bool):
            return not value
        new = next(marks) if isinstance(value, int) else f"mark-{next(marks)}"
        wanted.append(new)
        return new

    values = project.yaml("deploy/values/values.yaml")
    identity = ("apiVersion", "kind", "metadata")
    changed = {key: value if key in identity else marked(value) for key, value in values.items()}
    (project.path / "deploy" / "values" / "values.yaml").write_text(yaml.safe_dump(changed))
    result = [
        document for environment in ENVIRONMENTS for document in build(project.path, environment)
    ]

    def leaves(value: Any) -> Iterator[Any]:
        for item in (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        ):
            yield from leaves(item)
        if not isinstance(value, dict | list):
            yield value

    there = set(leaves(result))
    assert len(wanted) > 50
    assert [mark for mark in wanted if mark not in there] == []
    assert {entry["spec"].get("suspend") for entry in result if entry["kind"] == "CronJob"} == {
        None,
        False,
    }


def test_no_placeholder_of_a_value_remains(built: Built) -> None:
    slug, package = (
        built.project.path.name,
        next(built.project.path.glob("src/*/__main__.py")).parent.name,
    )
    for item in built.documents:
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == slug
        name = "name" if item["kind"] == "Namespace" else "namespace"
        assert item["metadata"][name] == f"{slug}-{built.environment}"
    for name, template in built.templates().items():
        assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == slug, name
    for name, container in built.containers():
        assert container["image"].startswith(f"registry.example.org/{slug}/"), name
        assert container["image"].rpartition(":")[2] not in ("latest", ""), name
        assert container["command"][3 if name.startswith("forget") else 2] == package
        assert set(container["resources"]) == {"requests", "limits"}, name
    values, ingress = built.project.yaml("deploy/values/values.yaml"), built.only("Ingress")["spec"]
    host = values[built.environment]["host"]
    assert ingress["ingressClassName"] == values["ingress"]["class"]
    assert [ingress["rules"][0]["host"], *ingress["tls"][0]["hosts"]] == [host, host]
    settings = built.variables(built.container("serve/serve"))
    assert settings["ML_ENVIRONMENT"] == built.environment
    assert settings["MLFLOW_TRACKING_URI"].startswith("https://")
    # An empty list would allow every peer.
    for policy in built.of("NetworkPolicy").values():
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule.get("from") or rule.get("to"), policy["metadata"]["name"]
            assert rule["ports"], policy["metadata"]["name"]


def test_every_pod_meets_the_restricted_pod_security_standard(built: Built) -> None:
    labels = built.only("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    accounts = built.of("ServiceAccount")
    assert [
        name
        for name, account in accounts.items()
        if account["automountServiceAccountToken"] is not False
    ] == []
    for name, template in built.templates().items():
        pod = template["spec"]
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["serviceAccountName"] in accounts, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert all(
            {"emptyDir", "secret", "configMap"} & volume.keys() for volume in pod["volumes"]
        ), name
        assert all(
            volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if "emptyDir" in volume
        ), name
    for name, container in built.containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_selectors_match_only_the_pods_of_the_service(built: Built) -> None:
    deployment = built.only("Deployment")
    pod = deployment["spec"]["template"]
    selectors = [
        deployment["spec"]["selector"],
        built.only("PodDisruptionBudget")["spec"]["selector"],
        {"matchLabels": built.only("Service")["spec"]["selector"]},
        *(item["labelSelector"] for item in pod["spec"]["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        chosen = [
            n
            for n, entry in built.templates().items()
            if matches(selector, entry["metadata"]["labels"])
        ]
        assert chosen == ["serve"]
    scaler = built.only("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["metrics"][0]["containerResource"]["container"] in {
        c["name"] for c in pod["spec"]["containers"]
    }
    assert "replicas" not in deployment["spec"], "each deployment would reset the autoscaler"
    assert scaler["minReplicas"] >= (2 if built.environment == "production" else 1)
    assert scaler["maxReplicas"] > scaler["minReplicas"]
    assert built.only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1, (
        "it must be possible to drain a node with one replica"
    )


def test_ports_equal_the_settings_and_probes_use_the_right_paths(built: Built) -> None:
    serve, known = built.container("serve/serve"), defaults()
    ports = {port["name"]: port["containerPort"] for port in serve["ports"]}
    assert ports == {"http": known["port"], "ops": known["admin_port"]}
    service = {port["name"]: port["targetPort"] for port in built.only("Service")["spec"]["ports"]}
    assert service == {name: name for name in ports}
    backend = built.only("Ingress")["spec"]["rules"][0]["http"]["paths"][0]
    assert backend["backend"]["service"] == {"name": "serve", "port": {"name": "http"}}
    assert f'"{backend["path"]}predict"' in source("serving/app.py")
    requested = {
        probe: serve[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")
    }
    assert {probe: get["path"] for probe, get in requested.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    routes = re.findall(r'Route\("(/\w+)"', source("serving/admin_app.py"))
    assert all(get["path"] in routes and get["port"] == "ops" for get in requested.values())
    patience = {
        probe: serve[f"{probe}Probe"]["periodSeconds"] * serve[f"{probe}Probe"]["failureThreshold"]
        for probe in requested
    }
    assert patience["readiness"] < patience["liveness"], (
        "a pod must lose its traffic long before it is restarted"
    )


def test_prometheus_scrapes_the_service_under_the_job_name_of_the_rules(built: Built) -> None:
    monitor, service = built.only("ServiceMonitor")["spec"], built.only("Service")
    assert matches(monitor["selector"], service["metadata"]["labels"])
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert f'Route("{endpoint["path"]}"' in source("serving/admin_app.py")
    (scrape,) = built.project.yaml("monitoring/prometheus/prometheus.yml")["scrape_configs"]
    assert service["metadata"]["labels"][monitor["jobLabel"]] == scrape["job_name"]


def scraped_labels(built: Built) -> dict[str, str]:
    """Apply the relabelings of the ServiceMonitor to the labels of the Service."""
    monitor, labels = (
        built.only("ServiceMonitor")["spec"],
        built.only("Service")["metadata"]["labels"],
    )
    meta = {
        f"__meta_kubernetes_service_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}": labels[key]
        for key in labels
    }
    (endpoint,) = monitor["endpoints"]
    result = {}
    for change in endpoint["relabelings"]:
        (value,) = [meta[source] for source in change.get("sourceLabels", [])] or [
            change["replacement"]
        ]
        result[change["targetLabel"]] = value
    return result


def test_scraped_series_have_the_labels_of_the_rules(built: Built) -> None:
    system = built.project.yaml("governance/ownership.yaml")["system"]["name"]
    assert scraped_labels(built) == {"system": system, "environment": built.environment}
    (scrape,) = built.project.yaml("monitoring/prometheus/prometheus.yml")["scrape_configs"]
    compose = yaml.safe_load(built.project.yaml("compose.yaml")["configs"]["prometheus"]["content"])
    for (result,) in (scrape["static_configs"], compose["scrape_configs"][0]["static_configs"]):
        assert result["labels"] == {"system": system, "environment": "local"}


def test_rules_equal_the_files_and_select_only_this_environment(built: Built) -> None:
    files = sorted(built.project.path.glob("monitoring/prometheus/*.rules.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert groups
    ours = scraped_labels(built)
    matchers = ", ".join(f'{label}="{value}"' for label, value in ours.items())

    def unrestricted(text: str) -> str:
        """Remove the matchers of this environment, which start each selector."""
        text = text.replace(f"{{{matchers}}}", "").replace(f"{{{matchers}, ", "{")
        return text.replace(f'{{environment="{built.environment}", ', "{")

    result = {group["name"]: group for group in built.only("PrometheusRule")["spec"]["groups"]}
    for rule in (rule for group in result.values() for rule in group["rules"]):
        rule["expr"] = unrestricted(rule["expr"])
        if rule["record"].startswith("ml_") if "record" in rule else False:
            assert rule["labels"].pop("environment") == built.environment
        for key, text in rule.get("annotations", {}).items():
            rule["annotations"][key] = unrestricted(text)
    assert result == {group["name"]: group for group in groups}, (
        "works: make generated, in the template"
    )


def test_every_environment_variable_is_read_by_a_program(built: Built) -> None:
    known = {f"ML_{name.upper()}" for name in defaults()}
    for name, container in built.containers():
        assert set(built.variables(container)) <= known | FOREIGN, name
    serve = built.variables(built.container("serve/serve"))
    assert {
        "ML_HOST",
        "ML_ADMIN_HOST",
        "ML_KEYS_FILE",
        "ML_EVENT_LOG_DIR",
        "ML_MODEL_DIR",
        "ML_DATABASE_URL",
    } <= serve.keys()
    assert (
        built.variables(built.container("serve/follower"))["ML_MODEL_DIR"] == serve["ML_MODEL_DIR"]
    )


def test_commands_are_verbs_of_the_command_line(built: Built) -> None:
    cli = "".join(path.read_text(encoding="utf-8") for path in (LIBRARY / "commands").glob("*.py"))
    verbs = set(re.findall(r'^@verb\(\s*"([a-z-]+)"', cli, re.MULTILINE))
    message = {}
    for name, container in built.containers():
        parts = (
            container["command"]
            if container["command"][0] == "python"
            else container["command"][2].split()[1:]
        )
        message[name] = parts[3]
        assert parts[:2] == ["python", "-m"]
        assert parts[3] in verbs, name
        assert [word for word in parts if word.startswith("--") and f'"{word}"' not in cli] == [], (
            name
        )
    assert message == {
        "serve/serve": "serve",
        "serve/follower": "fetch-model",
        "migrate/migrate": "migrate",
        "retrain/retrain": "retrain",
        "score/score": "score",
        "drift/drift": "drift",
        "forget/forget": "purge-records",
    }
    assert built.of("CronJob")["forget"]["spec"]["suspend"] is True, (
        "no record may be deleted before a retention period is set"
    )
    assert built.of("CronJob")["score"]["spec"]["suspend"] is True, (
        "no table may be scored before an output is set"
    )
    place = built.project.yaml("deploy/values/values.yaml")[built.environment]["scores"]
    assert built.container("score/score")["command"][3:] == ["score", "--output", place]


def test_every_referenced_object_exists_or_is_documented(built: Built) -> None:
    secrets, maps = {built.only("Ingress")["spec"]["tls"][0]["secretName"]}, set()
    for _, container in built.containers():
        for item in [
            *container.get("envFrom", []),
            *(e["valueFrom"] for e in container.get("env", []) if "valueFrom" in e),
        ]:
            secrets |= {item[key]["name"] for key in ("secretRef", "secretKeyRef") if key in item}
            maps |= {item["configMapRef"]["name"]} if "configMapRef" in item else set()
    for name, template in built.templates().items():
        secrets |= {
            volume["secret"]["secretName"]
            for volume in template["spec"]["volumes"]
            if "secret" in volume
        }
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        mounted = {
            m["name"]
            for n, c in built.containers()
            if n.startswith(f"{name}/")
            for m in c["volumeMounts"]
        }
        assert volumes == mounted, name
    documented = (
        built.project.read("docs/cluster.md").partition("## Secrets")[2].partition("\n## ")[0]
    )
    assert secrets == set(re.findall(r"^\| `(\w+)`", documented, re.MULTILINE))
    assert maps == set(built.of("ConfigMap"))
    serve = built.container("serve/serve")
    (keys,) = (mount for mount in serve["volumeMounts"] if mount["name"] == "keys")
    assert built.variables(serve)["ML_KEYS_FILE"].startswith(f"{keys['mountPath']}/")
    assert "subPath" not in keys, "a single mounted file does not follow its Secret"


def test_kill_switch_is_an_optional_config_map_that_pods_follow(built: Built) -> None:
    for name in ("serve", "score"):
        container = built.container(f"{name}/{name}")
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert built.variables(container)["ML_MODE_FILE"] == f"{mounts['mode']['mountPath']}/mode"
        assert "subPath" not in mounts["mode"], "a single file would not follow the ConfigMap"
        volumes = {volume["name"]: volume for volume in built.templates()[name]["spec"]["volumes"]}
        assert volumes["mode"]["configMap"] == {"name": "mode", "optional": True}
    assert "mode" not in built.of("ConfigMap"), "a deployment must not end the kill switch"


def test_pod_has_enough_time_to_drain_and_space_for_the_event_log(built: Built) -> None:
    serve, pod = built.variables(built.container("serve/serve")), built.templates()["serve"]["spec"]
    last = float(
        re.findall(r"^LAST_SECONDS = ([\d.]+)", source("serving/server.py"), re.MULTILINE)[0]
    )
    shipper = source("serving/record_shipper.py")
    leave = float(re.findall(r"^DRAIN_SECONDS = ([\d.]+)", shipper, re.MULTILINE)[0])
    drain = float(serve["ML_DRAIN_SECONDS"])
    readiness = built.container("serve/serve")["readinessProbe"]
    assert drain >= readiness["periodSeconds"] * readiness["failureThreshold"], (
        "the readiness probe must fail during the drain"
    )
    assert pod["terminationGracePeriodSeconds"] >= drain + last + leave + 5
    assert "lifecycle" not in built.container("serve/serve")
    (spool,) = (volume for volume in pod["volumes"] if volume["name"] == "spool")
    assert spool["emptyDir"]["sizeLimit"] == "1Gi"
    assert float(serve["ML_EVENT_LOG_MAX_MB"]) * 1e6 < 0.8 * 2**30, (
        "the log must be full before its volume is: a full volume evicts the pod"
    )


def test_largest_model_fits_into_a_pod_together_with_the_champion(built: Built) -> None:
    """docs/cluster.md requires 130 MB for the service, and three times the size of a model."""
    serve, limit = built.container("serve/serve"), 2**20 * 512
    assert serve["resources"]["limits"]["memory"] == "512Mi"
    assert limit >= (130 + 3 * float(built.variables(serve)["ML_MODEL_MEGABYTES"])) * 1e6
    trains = built.variables(built.container("retrain/retrain"))
    assert trains["ML_MODEL_MEGABYTES"] == built.variables(serve)["ML_MODEL_MEGABYTES"], (
        "training must have the same limit"
    )


def test_network_policies_allow_only_the_connections_of_each_pod(built: Built) -> None:
    policies = {name: item["spec"] for name, item in built.of("NetworkPolicy").items()}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert built.chosen("to-dns") == set(built.templates())
    needs_database = {
        n.partition("/")[0]
        for n, c in built.containers()
        if "ML_DATABASE_URL" in built.variables(c)
    }
    assert built.chosen("to-database") == needs_database
    needs_registry = {n.partition("/")[0] for n, c in built.containers() if len(c["envFrom"]) > 1}
    assert built.chosen("to-registry-and-data") == needs_registry
    inward = {name: entry["ingress"] for name, entry in policies.items() if "ingress" in entry}
    assert {
        name: [port["port"] for rule in rules for port in rule["ports"]]
        for name, rules in inward.items()
    } == {
        "from-callers": ["http"],
        "from-prometheus": ["ops"],
    }
    assert built.chosen("from-callers") == built.chosen("from-prometheus") == {"serve"}


def test_first_step_has_only_what_the_migration_needs(
    built: Built,
) -> None:
    first = [
        item for item in built.documents if item["metadata"]["labels"].get(FIRST[0]) == FIRST[1]
    ]
    kinds = {element["kind"] for element in first}
    assert kinds == {"Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "Job"}
    assert [
        entry for entry in built.documents if entry["kind"] in kinds and entry not in first
    ] == []
    assert f"-l {'='.join(FIRST)}" in built.project.read("docs/cluster.md")


def test_scheduled_jobs_neither_overlap_nor_accumulate(built: Built) -> None:
    for name, job in built.of("CronJob").items():
        spec = job["spec"]
        assert spec["concurrencyPolicy"] == "Forbid", name
        assert spec["timeZone"] == "Etc/UTC", name
        assert (
            0
            < spec["startingDeadlineSeconds"]
            <= spec["jobTemplate"]["spec"]["activeDeadlineSeconds"]
        ), name
        assert spec["jobTemplate"]["spec"]["backoffLimit"] <= 2, name
        assert len(spec["schedule"].split()) == 5, name


@needs_kubectl
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_overlay_pins_both_images_by_digest(environment: str, pinned: BakedProject) -> None:
    images = {
        c["image"]
        for _, c in Built(pinned, environment, build(pinned.path, environment)).containers()
    }
    assert images == {
        f"registry.example.org/fraud-scoring/{name}@{DIGEST}" for name in ("serving", "pipeline")
    }
