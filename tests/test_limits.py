"""Who watches without Prometheus is told at the same limits: thresholds.py beside the rules that carry them."""

import ast
import re
import runpy
from datetime import timedelta
from typing import Any

import pytest
import yaml
from conftest import ASSETS, LIBRARY

ROOM = LIBRARY / "monitoring"
ALERTS = {
    "FieldDrifts": ("> {DRIFT:g}",),
    "ScoreDrifts": ("> {DRIFT:g}",),
    "MissingValues": (">= {FEWEST_SENT}",),
    "UnknownWords": (">= {FEWEST_SENT}",),
    "OverrideRateHigh": (">= {FEWEST_JUDGED}",),
    "BypassHigh": (">= {FEWEST_CASES}",),
    "OutcomesStopped": ("{FALLEN:g} *", ">= {FEWEST_BACK}"),
    "QualityBelowTest": ("{WORSE:g} *", "{DEVIATIONS} *", ">= {FEWEST_OUTCOMES}"),
    "ValueBelowTarget": (">= {FEWEST_PAID}",),
    "PayoffFails": ("{FAILED:g} *",),
}
RECORDS = {
    "ml:field_ks_bound:24h": ("{COEFFICIENT:g} * sqrt",),
    "ml:field_missing_limit:24h": ("{MISSING:g}",),
    "ml:field_unknown_limit:24h": ("{UNKNOWN:g}",),
    "ml:value_month:7d": ("* {MONTH.days} / {WEEK.days}",),
    "ml:reference_judged:24h": ("{WHOLE:g} *",),
}


def limits() -> dict[str, Any]:
    """The constants, read without the baked project's packages."""
    said = runpy.run_path(str(ROOM / "thresholds.py"))
    coefficient = re.search(r"^COEFFICIENT = ([\d.]+)", (ROOM / "distance.py").read_text(), re.MULTILINE)
    assert coefficient
    return said | {"COEFFICIENT": float(coefficient[1])}


def rules() -> dict[str, str]:
    """Every rule's name and expression."""
    found = {}
    for path in sorted((ASSETS / "monitoring" / "prometheus").glob("*.rules.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found |= {rule.get("alert", rule.get("record")): rule["expr"] for rule in group["rules"]}
    return found


def spelled_out(name: str) -> str:
    """A rule's expression, followed by those of the recording rules that it reads."""
    known, wanted, found = rules(), [name], dict[str, str]()
    while wanted:
        if (here := wanted.pop()) in known and here not in found:
            found[here] = known[here]
            wanted += re.findall(r"\bml:\w+(?::\w+)?", found[here])
    return "\n".join(found.values())


@pytest.mark.parametrize("name", [*ALERTS, *RECORDS])
def test_the_rule_holds_the_limit_of_who_watches_without_it(name: str) -> None:
    expression, said = spelled_out(name), limits()
    if not expression or (name == "OverrideRateHigh" and "FieldDrifts" not in rules()):
        pytest.skip(f"no rule {name} yet")
    for part in (ALERTS | RECORDS)[name]:
        assert part.format(**said) in expression


def test_every_signal_is_called_as_the_alert_is() -> None:
    tree = ast.parse((ROOM / "alerts.py").read_text())
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    alerts = {word for word in named if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", word)}
    assert alerts >= set(ALERTS) | {"ModelStale", "GovernanceOverdue"}
    if "FieldDrifts" in rules():
        assert alerts <= set(rules())


def test_windows_are_those_that_prometheus_keeps() -> None:
    said = limits()
    assert (said["DAY"], said["WEEK"], said["MONTH"]) == (timedelta(hours=24), timedelta(days=7), timedelta(days=30))
