"""Alert rules for the Prometheus operator: one resource for each environment.

A resource reads only the series of its own environment.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from .alert_thresholds import threshold_rules
from .config import GovernanceConfig
from .ownership import System
from .yaml_loader import GovernanceError

ENVIRONMENTS = ("staging", "production")
# Comments and quoted text stay unchanged. The matchers of a metric, if any, follow its name.
METRIC = re.compile(
    r'#[^\n]*|"(?:\\.|[^"\\])*"|\b(?P<metric>up\b|ml[_:][a-z0-9_:]+)(?P<matchers>\{)?'
)
# A query in the text of an alert.
QUERY = re.compile(r"`[^`]*`")
SYSTEM_FILES = {
    "deploy/values/values.yaml": "project",
    "monitoring/prometheus/prometheus.yml": "system",
}


def prometheus_rule(
    folder: Path, org: GovernanceConfig, environment: str, library: Path | None = None
) -> dict[str, Any]:
    """The rule files of a folder as one resource. A file of the folder `library` replaces its own.

    Many projects and environments may load their resources into one Prometheus: only the rules of
    its own environment evaluate a series. Raises GovernanceError if a file has no groups of rules.
    """
    matchers = {"system": org.ownership.system.name, "environment": environment}
    files = {
        path.name: path
        for source in (folder, library)
        if source
        for path in source.glob("*.rules.yml")
    }
    files.pop("governance.rules.yml", None)
    contents = [
        threshold_rules(org, environment),
        *(_groups(path) for _, path in sorted(files.items())),
    ]
    labels = {
        "app.kubernetes.io/name": "ml-service",
        "app.kubernetes.io/instance": org.ownership.system.name,
    }
    groups = [group for content in contents for group in content["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "alerts", "labels": labels},
        "spec": {
            "groups": [
                group | {"rules": [_restricted(rule, matchers) for rule in group["rules"]]}
                for group in groups
            ]
        },
    }


def restrict(expression: str, matchers: dict[str, str]) -> str:
    """Add matchers to every selector of an expression."""
    added = ", ".join(
        f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in matchers.items()
    )

    def selector(result: re.Match[str]) -> str:
        if not result["metric"]:
            return result[0]
        return f"{result['metric']}{{{added}" + (", " if result["matchers"] else "}")

    return METRIC.sub(selector, expression)


def require_one_name(system: System, root: Path) -> None:
    """Raises GovernanceError if a file and governance/ownership.yaml name different systems.

    The alerts would find no thresholds then.
    """
    for name, key in SYSTEM_FILES.items():
        names = _values(root / name, key)
        if names and system.name not in names:
            raise GovernanceError(
                f"{root / name}: {key}: {', '.join(sorted(names))}, but "
                f"governance/ownership.yaml: system.name: "
                f"{system.name}; alerts find their thresholds and people by this name: write the "
                f"same one in both"
            )


def _groups(path: Path) -> dict[str, Any]:
    """The content of a rule file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GovernanceError(f"{path}: cannot be read as YAML: {error}") from error
    groups = content.get("groups") if isinstance(content, dict) else content
    if isinstance(groups, list) and all(map(_is_group, groups)):
        return {"groups": groups}
    raise GovernanceError(
        f"{path}: groups: must be a list of groups, each with a name and rules with expr; this "
        f"works: groups: []"
    )


def _is_group(group: Any) -> bool:
    """Whether the rules can be restricted to an environment. promtool checks everything else."""
    rules = group.get("rules") if isinstance(group, dict) else None
    return isinstance(rules, list) and all(
        isinstance(rule, dict) and "expr" in rule for rule in rules
    )


def _restricted(rule: dict[str, Any], matchers: dict[str, str]) -> dict[str, Any]:
    """A rule restricted to one environment. Queries in its texts name the system themselves."""
    environment = {"environment": matchers["environment"]}
    rule = rule | {"expr": restrict(str(rule["expr"]), matchers)}
    if "annotations" in rule:
        texts = rule["annotations"].items()
        rule["annotations"] = {
            key: QUERY.sub(lambda query: restrict(query[0], environment), text)
            for key, text in texts
        }
    return rule


def _values(path: Path, key: str) -> set[str]:
    """Every text value of a key, at any depth of a YAML file."""
    if not path.is_file():
        return set()
    result: set[str] = set()
    try:
        waiting = [yaml.safe_load(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GovernanceError(f"{path}: cannot be read as YAML: {error}") from error
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            result |= {
                value for name, value in item.items() if name == key and isinstance(value, str)
            }
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return result
