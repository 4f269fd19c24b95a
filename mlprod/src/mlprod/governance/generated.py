"""Files that `make generate` writes from governance/ and `make check` compares."""

import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..atomic_write import atomic_write
from . import alert_routes, alert_thresholds, reports
from .config import GovernanceConfig
from .yaml_loader import GovernanceError

BEGIN, END = "your own lines begin here", "your own lines end here; `make generate` keeps them"
# Marks of earlier versions, which a project may still have.
OLD_MARKS = {
    "yours: what stands from here": BEGIN,
    "to here survives `make governance`": END,
    "to here survives `make generate`": END,
}
PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# JSON allows these characters in a string, YAML folds or refuses them.
NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
HEADER = "`make generate` writes this from governance/. Edit it there, or between the marks below."


def render_files(org: GovernanceConfig, more: Mapping[str, str], root: Path) -> dict[str, str]:
    """Render every generated file by its name below `root`.

    The lines of people between the marks of the present file stay. `more` has the files that other
    packages generate, without marks. Raises GovernanceError if the marks of a file are broken.
    """
    contents = {
        "CODEOWNERS": codeowners(org),
        "catalog-info.yaml": to_yaml(catalog_info(org)),
        "monitoring/alertmanager/alertmanager.yml": to_yaml(alert_routes.alertmanager_config(org)),
        "monitoring/prometheus/governance.rules.yml": to_yaml(
            alert_thresholds.threshold_rules(org)
        ),
        "governance/RACI.md": reports.raci(org),
        "governance/problem.md": reports.problem(org),
        "governance/change_plan.md": reports.change_plan(org),
        "governance/risk.md": reports.risks(org),
        **more,
    }
    return {
        name: _framed(name, content.strip("\n"), root / name) for name, content in contents.items()
    }


def outdated_files(files: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Names of the files that are missing or have another content."""
    return tuple(name for name, content in files.items() if _text(root / name) != content)


def write_files(files: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Write the files that differ, each atomically, and return their names."""
    changed = outdated_files(files, root)
    for name in changed:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        permissions = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        atomic_write(path, files[name].encode(), permissions)
    return changed


def codeowners(org: GovernanceConfig) -> str:
    """Render CODEOWNERS: whose approval a change needs.

    A path belongs to the outcome that covers it. An outcome without a named person gives no line.
    """
    ownership = org.ownership
    lines = []
    rules = [
        (_pattern(path), outcome.id)
        for outcome in ownership.outcomes
        for path in outcome.covers.paths
    ]
    # The last line that matches counts, so the deeper folder comes later.
    rules.sort(key=lambda rule: rule[0].count("/"))
    for pattern, outcome in [("*", "serving"), *rules]:
        person = ownership.accountable_person(outcome)
        if person and person.is_named and outcome != "model_quality":
            lines.append(f"{pattern} {person.email}")
    model = ownership.outcome("model_quality")
    authors = [
        person
        for person in ownership.people_of(model.responsible if model else ())
        if person.is_named
    ]
    for path in model.covers.paths if model and authors else ():
        lines.append(f"{_pattern(path)} {' '.join(dict.fromkeys(p.email for p in authors))}")
    value = ownership.accountable_person("business_value")
    # The owner of the value approves the payoffs and the gates.
    if value and value.is_named:
        lines.append(f"/src/*/decision.py {value.email}")
        lines += [
            f"/governance/{name}.yaml {value.email}" for name in ("change_plan", "gates", "problem")
        ]
    return "\n".join(lines)


def _pattern(path: str) -> str:
    """A path of the project as a pattern of CODEOWNERS: a folder with its content, or a file."""
    return f"/{path.strip('/')}" + ("" if Path(path).suffix else "/")


def catalog_info(org: GovernanceConfig) -> dict[str, Any]:
    """Entity of a Backstage catalog."""
    ownership = org.ownership
    serving = ownership.outcome("serving")
    person = ownership.accountable_person("serving")
    owner = (
        ownership.teams[0].id
        if ownership.teams
        else (person and person.handle) or (serving and serving.accountable)
    )
    kind = "group" if ownership.teams else "user"
    system = {"system": ownership.system.domain} if ownership.system.domain else {}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": ownership.system.name,
            "description": org.problem.problem.statement,
            "annotations": {
                "ml-governance/tier": org.risk.tier,
                "ml-governance/stage": ownership.system.stage,
            },
            "tags": ["machine-learning"],
        },
        "spec": {
            "type": "service",
            "lifecycle": "production" if ownership.system.stage == "production" else "experimental",
            "owner": f"{kind}:{owner or 'unknown'}",
            **system,
        },
    }


def to_yaml(value: Any, indent: str = "") -> str:
    """Render block YAML with quoted strings, so that none is read as number, date or boolean."""
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, Mapping | list | tuple) and item
            name = key if PLAIN.fullmatch(key) and key.lower() not in RESERVED else to_yaml(key)
            lines.append(
                f"{indent}{name}:"
                + (f"\n{to_yaml(item, indent + '  ')}" if nested else f" {to_yaml(item)}")
            )
        return "\n".join(lines)
    if isinstance(value, list | tuple) and value:
        return "\n".join(f"{indent}- {to_yaml(item, indent + '  ').lstrip()}" for item in value)
    if isinstance(value, float):
        # JSON writes 1e-05, which YAML reads as a string.
        return str(yaml.safe_dump(value)).partition("\n")[0]
    return NOT_IN_YAML.sub(
        lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(value, ensure_ascii=False)
    )


def _framed(name: str, content: str, path: Path) -> str:
    """The content below a header and above the marks with the lines of people."""
    head, begin, end = (_comment(name, text) for text in (HEADER, BEGIN, END))
    mine = _mine(path, begin, end)
    top = [head, "", content] if name.endswith(".md") else [head, *([content] if content else [])]
    return "\n".join([*top, "", begin, *([mine] if mine else []), end]) + "\n"


def _comment(name: str, text: str) -> str:
    return f"<!-- {text} -->" if name.endswith(".md") else f"# {text}"


def _mine(path: Path, begin: str, end: str) -> str:
    text = _text(path)
    if text is None:
        return ""
    for old, mark in OLD_MARKS.items():
        text = text.replace(_comment(path.name, old), _comment(path.name, mark))
    # Lines of people may contain other line breaks.
    lines = text.split("\n")
    if lines.count(begin) != 1 or lines.count(end) != 1 or lines.index(begin) > lines.index(end):
        raise GovernanceError(
            f"{path}: the two marks at its end are needed, each once, or your lines would be lost:"
            f"\n{begin}\n{end}"
        )
    return "\n".join(lines[lines.index(begin) + 1 : lines.index(end)])


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GovernanceError(
            f"{path}: the file cannot be read: {error}; remove it, and run make generate"
        ) from error
