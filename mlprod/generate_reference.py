"""Generate the reference pages of assets/reference from the code.

They cover verbs, settings, metrics, API, governance keys and checks. `make reference` runs it, and
a test compares the committed pages. The wheel contains them, `python -m <package> docs` prints
them, and the documentation site shows them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from mlprod.commands.cli import GROUPS
from mlprod.commands.verb import Option
from mlprod.governance.change_plan import ChangePlan
from mlprod.governance.check_catalogue import catalogue
from mlprod.governance.gates import Gates
from mlprod.governance.ownership import Ownership
from mlprod.governance.problem import Problem
from mlprod.governance.risk import Risks
from mlprod.governance.waivers import Waivers
from mlprod.serving.metrics import Metrics
from mlprod.serving.outcome_metrics import OutcomeMetrics
from mlprod.settings import Settings

PAGES = Path("src/mlprod/assets/reference")
OPENAPI = Path("../tests/golden/openapi.json")
FILES: dict[str, type[BaseModel]] = {
    "ownership.yaml": Ownership,
    "problem.yaml": Problem,
    "change_plan.yaml": ChangePlan,
    "risk.yaml": Risks,
    "gates.yaml": Gates,
    "waivers.yaml": Waivers,
}
STAGES = ("poc", "pilot", "production")

NAMES = Path("../tests/golden/metrics.txt")


def pages() -> dict[str, str]:
    """Return the text of each reference page by its file name."""
    result = {
        "verbs.md": verbs(),
        "settings.md": settings(),
        "metric-names.md": metrics(),
        "api.md": api(json.loads(OPENAPI.read_text(encoding="utf-8"))),
        "governance-keys.md": governance(),
        "checks.md": checks(),
    }
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in result.items()}


def verbs() -> Iterator[str]:
    """Yield the page of all verbs with their options."""
    yield from (
        "# Verbs",
        "",
        "Run a verb with `python -m <package> VERB`. `make VERB` works as well.",
        "",
    )
    for group, members in GROUPS.items():
        yield from (f"## {group.capitalize()}", "")
        for verb in members:
            yield from (f"### {verb.name}", "", f"{verb.help}.", "")
            if verb.options:
                yield from table(("option", "meaning"), map(_option, verb.options))


def _option(option: Option) -> tuple[str, str]:
    facts = option.settings
    parts = [str(facts.get("help", "")).replace("%(default)s", str(facts.get("default")))]
    parts = [parts[0].replace("%(default)g", str(facts.get("default")))]
    if facts.get("choices"):
        parts.append("one of " + ", ".join(f"`{choice}`" for choice in facts["choices"]))
    if facts.get("required"):
        parts.append("required")
    return f"`{option.flag}`", "; ".join(filter(None, parts))


def settings() -> Iterator[str]:
    """Yield the page of all settings of the environment."""
    yield from (
        "# Settings",
        "",
        "Commands and the service read these variables of the environment.",
        "",
    )
    rows = []
    for name, field in Settings.model_fields.items():
        alias = getattr(field.validation_alias, "choices", [f"ML_{name.upper()}"])
        default = "" if field.default in (None, "") else f"`{field.default}`"
        names = ", ".join(f"`{variable}`" for variable in alias)
        rows.append((names, default, str(field.description)))
    yield from table(("variable", "default", "meaning"), rows)


def metrics() -> Iterator[str]:
    """Yield the page of all metrics of the service."""
    yield from ("# Metric names", "", "The admin port serves these metrics at `/metrics`.", "")
    known = Metrics()
    terms: Any = SimpleNamespace(fields={}, slices=(), personal=())
    nothing: Any = None
    OutcomeMetrics(terms, nothing, nothing, known)
    collectors = known.registry._names_to_collectors
    # The labels of the collector that makes its metrics at each scrape.
    series = dict(
        re.findall(r"^(ml_\w+)\{(.+)\}$", NAMES.read_text(encoding="utf-8"), re.MULTILINE)
    )
    rows: list[tuple[str, ...]] = []
    for family in sorted(known.registry.collect(), key=lambda family: family.name):
        labels = ", ".join(getattr(collectors.get(family.name), "_labelnames", ()))
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = labels or series.get(name, "").replace(",", ", ")
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    yield from table(("metric", "type", "labels", "meaning"), rows)


def api(document: dict[str, Any]) -> Iterator[str]:
    """Yield the page of all routes and bodies of the API, for the example project."""
    yield from (
        "# API",
        "",
        "The fields of a row follow from `contract.py`; here they are those of the example.",
        "",
    )
    for route, methods in sorted(document["paths"].items()):
        for method, facts in methods.items():
            yield from (f"## {method.upper()} {route}", "", _sentence(facts.get("summary", "")), "")
            if text := facts.get("description"):
                yield from (" ".join(text.split()), "")
            yield from (f"Role of the key: `{facts.get('x-role', 'none')}`.", "")
            rows = [
                (code, " ".join(answer["description"].split()))
                for code, answer in facts["responses"].items()
            ]
            yield from table(("status", "meaning"), rows)
    yield from ("# Bodies", "")
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from (f"## {name}", "")
        required = schema.get("required", [])
        fields = [
            (
                f"`{key}`",
                _type(value),
                "yes" if key in required else "",
                str(value.get("description", "")),
            )
            for key, value in schema.get("properties", {}).items()
        ]
        yield from table(("field", "type", "required", "meaning"), fields)


def governance() -> Iterator[str]:
    """Yield the page of all keys of the governance files."""
    yield from (
        "# Governance keys",
        "",
        "Keys of the files in `governance/`. `TODO` holds until a stage requires a value.",
        "",
    )
    for file, model in FILES.items():
        yield from (f"## {file}", "")
        yield from table(("key", "type", "default", "meaning"), _keys(model.model_json_schema()))


def _keys(
    schema: dict[str, Any], path: str = "", root: dict[str, Any] | None = None
) -> Iterator[tuple[str, ...]]:
    root = root or schema
    for key, value in schema.get("properties", {}).items():
        name, inner = f"{path}{key}", _inner(value, root)
        default = (
            json.dumps(value["default"]) if value.get("default") not in (None, [], {}, "") else ""
        )
        meaning = " ".join(str(value.get("description") or inner.get("description") or "").split())
        yield f"`{name}`", _type(value), f"`{default}`" if default else "", meaning
        if "properties" in inner:
            many = value.get("type") == "array"
            yield from _keys(inner, f"{name}[]." if many else f"{name}.", root)


def _inner(value: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the object in a key, or in its list or mapping."""
    for part in (
        value,
        value.get("items", {}),
        *value.get("anyOf", []),
        value.get("additionalProperties") or {},
    ):
        if isinstance(part, dict) and "$ref" in part:
            return dict(root["$defs"][part["$ref"].rpartition("/")[2]])
    return {}


def checks() -> Iterator[str]:
    """Yield the page of all checks of the readiness scorecard."""
    yield from (
        "# Checks",
        "",
        "`make readiness` shows them. A stage lists the risk tiers that require the check.",
        "",
    )
    by_section: dict[str, list[tuple[str, ...]]] = {}
    for entry in catalogue().checks:
        tiers = [
            f"{stage}: {''.join(getattr(entry, stage))}"
            for stage in STAGES
            if getattr(entry, stage, "")
        ]
        row = (f"`{entry.id}`", entry.title, ", ".join(tiers), entry.outcome or "", f"`{entry.by}`")
        by_section.setdefault(entry.section, []).append(row)
    for section, rows in by_section.items():
        yield from (f"## {section}", "")
        yield from table(
            ("check", "what holds", "stage: tiers", "outcome", "how it gets its evidence"), rows
        )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table and an empty line."""
    for row in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""


def _type(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_type(part) for part in value["anyOf"]))
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "enum" in value or "const" in value:
        return ", ".join(f"`{item}`" for item in value.get("enum", [value.get("const")]))
    kind = str(value.get("type", "any"))
    return f"list of {_type(value['items'])}" if kind == "array" and "items" in value else kind


def _sentence(text: str) -> str:
    return text if not text or text.endswith(".") else f"{text}."


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(re.sub(r"\n{3,}", "\n\n", text), encoding="utf-8")
        print(PAGES / name)
