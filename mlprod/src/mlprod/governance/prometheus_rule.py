"""The alert rules for the Prometheus operator: one resource for each environment, which reads its
own series alone.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from .alert_thresholds import rules
from .config import GovernanceConfig
from .ownership import System
from .yaml_loader import GovernanceError

ENVIRONMENTS = ("staging", "production")
# A comment and a quoted text stay as they are. The matchers of a metric, if it has some, follow its
# name.
METRIC = re.compile(
    r'#[^\n]*|"(?:\\.|[^"\\])*"|\b(?P<metric>up\b|ml[_:][a-z0-9_:]+)(?P<matchers>\{)?'
)
QUERY = re.compile(r"`[^`]*`")  # in the text of an alert
SYSTEM_FILES = {
    "deploy/values/values.yaml": "project",
    "monitoring/prometheus/prometheus.yml": "system",
}


def prometheus_rule(
    folder: Path, org: GovernanceConfig, environment: str, library: Path | None = None
) -> dict[str, Any]:
    """The rule files of a folder as one resource; those that the folder `library` has are read from
    there.

    Many projects and environments may load theirs into one Prometheus: each series is evaluated by
    the rules of its own environment and by no others. Raises GovernanceError for a file that holds
    no groups of rules.
    """
    matchers = {"system": org.ownership.system.name, "environment": environment}
    files = {
        path.name: path
        for source in (folder, library)
        if source
        for path in source.glob("*.rules.yml")
    }
    files.pop("governance.rules.yml", None)
    contents = [rules(org, environment), *(_groups(path) for _, path in sorted(files.items()))]
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
    """The expression with these matchers in every selector."""
    added = ", ".join(
        f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in matchers.items()
    )

    def selector(result: re.Match[str]) -> str:
        if not result["metric"]:
            return result[0]
        return f"{result['metric']}{{{added}" + (", " if result["matchers"] else "}")

    return METRIC.sub(selector, expression)


def require_one_name(system: System, root: Path) -> None:
    """Raises GovernanceError when a file gives another name to the system than
    governance/ownership.yaml does: its alerts would compare nothing with nothing.
    """
    for name, key in SYSTEM_FILES.items():
        names = _values(root / name, key)
        if names and system.name not in names:
            raise GovernanceError(
                f"{root / name}: {key}: {', '.join(sorted(names))}, but "
                f"governance/ownership.yaml: system.name: "
                f"{system.name}; alerts find their limits and their people by this name: "
                f"write the same one in both"
            )


def _groups(path: Path) -> dict[str, Any]:
    """What a rule file holds."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GovernanceError(f"{path}: cannot be read as YAML: {error}") from error
    groups = content.get("groups") if isinstance(content, dict) else content
    if isinstance(groups, list) and all(map(_is_group, groups)):
        return {"groups": groups}
    raise GovernanceError(
        f"{path}: groups: must list groups, each of a name and rules with expr; works: groups: []"
    )


def _is_group(group: Any) -> bool:
    """Whether its rules can be restricted to an environment; promtool checks what else Prometheus
    requires of them.
    """
    rules = group.get("rules") if isinstance(group, dict) else None
    return isinstance(rules, list) and all(
        isinstance(rule, dict) and "expr" in rule for rule in rules
    )


def _restricted(rule: dict[str, Any], matchers: dict[str, str]) -> dict[str, Any]:
    """A rule of one environment, with its queries: those in a text name the system themselves."""
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
    """Every text behind a key, at any depth of a YAML file."""
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
