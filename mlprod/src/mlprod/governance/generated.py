"""Files that follow from governance/: written by `make generate`, compared by `make check`."""

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

BEGIN, END = "yours: what stands from here", "to here survives `make generate`"
OLD_END = "to here survives `make governance`"  # the verb's name in the first version
PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
NOT_IN_YAML = re.compile(
    "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
)  # JSON lets them stand, YAML folds or refuses them
MADE = "Made by `make generate` from the files in governance/; edit those, or between the two marks at the end"


def expected(org: GovernanceConfig, more: Mapping[str, str], root: Path) -> dict[str, str]:
    """Every generated file by its name below `root`, with what people wrote between the marks of
    today's.

    `more` brings what other rooms generate, without marks. Raises GovernanceError for a file whose
    marks are broken.
    """
    made = {
        "CODEOWNERS": codeowners(org),
        "catalog-info.yaml": to_yaml(catalog_info(org)),
        "monitoring/alertmanager/alertmanager.yml": to_yaml(alert_routes.alertmanager(org)),
        "monitoring/prometheus/governance.rules.yml": to_yaml(alert_thresholds.rules(org)),
        "governance/RACI.md": reports.raci(org),
        "governance/problem.md": reports.problem(org),
        "governance/change_plan.md": reports.change_plan(org),
        "governance/risk.md": reports.risks(org),
        **more,
    }
    return {name: _framed(name, content.strip("\n"), root / name) for name, content in made.items()}


def outdated(files: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Names of those that are missing or say something else."""
    return tuple(name for name, content in files.items() if _text(root / name) != content)


def write(files: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Write those that differ, each whole; gives their names."""
    changed = outdated(files, root)
    for name in changed:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        permissions = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        atomic_write(path, files[name].encode(), permissions)
    return changed


def codeowners(org: GovernanceConfig) -> str:
    """Whose approval a change needs.

    A path belongs to the outcome that covers it; nobody known gives no line.
    """
    ownership = org.ownership
    lines = []
    rules = [
        (_pattern(path), outcome.id)
        for outcome in ownership.outcomes
        for path in outcome.covers.paths
    ]
    rules.sort(
        key=lambda rule: rule[0].count("/")
    )  # the last line that fits counts: the deeper folder comes later
    for pattern, outcome in [("*", "serving"), *rules]:
        person = ownership.answers_for(outcome)
        if person and person.known and outcome != "model_quality":
            lines.append(f"{pattern} {person.email}")
    model = ownership.outcome("model_quality")
    authors = [
        person for person in ownership.people_of(model.responsible if model else ()) if person.known
    ]
    for path in model.covers.paths if model and authors else ():
        lines.append(f"{_pattern(path)} {' '.join(dict.fromkeys(p.email for p in authors))}")
    value = ownership.answers_for("business_value")
    if (
        value and value.known
    ):  # the owner of the value approves what a decision is worth, and the gates
        lines.append(f"/src/*/decision.py {value.email}")
        lines += [
            f"/governance/{name}.yaml {value.email}" for name in ("change_plan", "gates", "problem")
        ]
    return "\n".join(lines)


def _pattern(path: str) -> str:
    """A path of the project as CODEOWNERS writes it: a folder with all that is in it, or a file."""
    return f"/{path.strip('/')}" + ("" if Path(path).suffix else "/")


def catalog_info(org: GovernanceConfig) -> dict[str, Any]:
    """An entity of a Backstage catalogue."""
    ownership = org.ownership
    serving = ownership.outcome("serving")
    person = ownership.answers_for("serving")
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
    """Block YAML with every word quoted, so that none is taken for a number, a date or a boolean."""
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, Mapping | list | tuple) and item
            message = key if PLAIN.fullmatch(key) and key.lower() not in RESERVED else to_yaml(key)
            lines.append(
                f"{indent}{message}:"
                + (f"\n{to_yaml(item, indent + '  ')}" if nested else f" {to_yaml(item)}")
            )
        return "\n".join(lines)
    if isinstance(value, list | tuple) and value:
        return "\n".join(f"{indent}- {to_yaml(item, indent + '  ').lstrip()}" for item in value)
    if isinstance(value, float):
        return str(yaml.safe_dump(value)).partition("\n")[0]  # 1e-05 would be a word
    return NOT_IN_YAML.sub(
        lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(value, ensure_ascii=False)
    )


def _framed(name: str, content: str, path: Path) -> str:
    """The content between a head that says where it comes from and the marks with what people
    wrote.
    """
    head, begin, end = (_comment(name, text) for text in (MADE, BEGIN, END))
    mine = _mine(path, begin, end)
    top = [head, "", content] if name.endswith(".md") else [head, *([content] if content else [])]
    return "\n".join([*top, "", begin, *([mine] if mine else []), end]) + "\n"


def _comment(name: str, text: str) -> str:
    return f"<!-- {text} -->" if name.endswith(".md") else f"# {text}"


def _mine(path: Path, begin: str, end: str) -> str:
    text = _text(path)
    if text is None:
        return ""
    text = text.replace(_comment(path.name, OLD_END), end)
    lines = text.split("\n")  # what people write may hold other breaks
    if lines.count(begin) != 1 or lines.count(end) != 1 or lines.index(begin) > lines.index(end):
        raise GovernanceError(
            f"{path}: the two marks at its end are needed, each once, or what you wrote would be lost:\n{begin}\n{end}"
        )
    return "\n".join(lines[lines.index(begin) + 1 : lines.index(end)])


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GovernanceError(
            f"{path}: cannot be read: {error}; remove it, and run make generate"
        ) from error
