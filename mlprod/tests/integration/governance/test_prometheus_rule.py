"""Tests of the rules of one environment, which read the series of no other project."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from filled import Filled, filled
from fixture_project import PROJECT

from mlprod.governance.prometheus_rule import prometheus_rule, require_one_name, restrict
from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
RULES = PROJECT / "monitoring" / "prometheus"
OURS = {"system": "fraud-scoring", "environment": "production"}
MATCHERS = 'system="fraud-scoring", environment="production"'


def ours(metric: str, more: str = "") -> str:
    """The selector of a metric for this system and environment."""
    return "".join((metric, "{", MATCHERS, ", " if more else "", more, "}"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ml_record_store_up == 0", f"{ours('ml_record_store_up')} == 0"),
        ('absent(up{job="ml-service"})', "absent(" + ours("up", 'job="ml-service"') + ")"),
        (
            "ml:feature_ks:24h > ml:feature_ks_bound:24h",
            f"{ours('ml:feature_ks:24h')} > {ours('ml:feature_ks_bound:24h')}",
        ),
        (
            "max by (system) (max_over_time(ml_info[1h]))",
            f"max by (system) (max_over_time({ours('ml_info')}[1h]))",
        ),
        (
            'label_replace(ml_a, "b", "ml_\\"up", "", "")',
            f'label_replace({ours("ml_a")}, "b", "ml_\\"up", "", "")',
        ),
        ("ml_a # whatever is up", f"{ours('ml_a')} # whatever is up"),
        ("vector(0.3)", "vector(0.3)"),
        ("updated + model_up", "updated + model_up"),
    ],
)
def test_every_selector_has_the_system_and_the_environment(before: str, after: str) -> None:
    assert restrict(before, OURS) == after


def test_names_are_quoted() -> None:
    assert restrict("up", {"system": 'a "b" \\ é'}) == r'up{system="a \"b\" \\ é"}'


def test_resource_has_the_rules_of_every_file_and_the_thresholds(
    filled: Filled, tmp_path: Path
) -> None:
    for name in ("b", "a", "governance"):
        rule = {
            "alert": name,
            "expr": "up == 0",
            "annotations": {"description": "`up{system=%q}` up"},
        }
        (tmp_path / f"{name}.rules.yml").write_text(
            yaml.safe_dump({"groups": [{"name": name, "rules": [rule]}]})
        )
    (tmp_path / "a.rules.test.yml").write_text("rule_files: [a.rules.yml]")
    constants, *others = prometheus_rule(tmp_path, filled.org, "production")["spec"]["groups"]
    assert [group["name"] for group in others] == ["a", "b"]
    (rule,) = others[0]["rules"]
    assert rule["expr"] == f"{ours('up')} == 0"
    assert rule["annotations"]["description"] == '`up{environment="production", system=%q}` up'
    assert constants["name"] == "ml-governance"
    assert all(OURS.items() <= item["labels"].items() for item in constants["rules"])


def test_rules_read_only_series_of_their_environment(filled: Filled) -> None:
    """A selector without matchers would read the series of every project."""
    for group in prometheus_rule(RULES, filled.org, "production")["spec"]["groups"]:
        for rule in group["rules"]:
            for name in ("up", "ml_", "ml:"):
                for text in rule["expr"].split("#")[0].split('"')[::2]:
                    assert not _bare(text, name), rule


def _bare(text: str, name: str) -> bool:
    """Whether the text has a metric without matchers.

    Text after the quote of a matcher is another piece.
    """
    parts = [word.strip("()") for word in text.replace("[", " ").split()]
    return any(
        (word == name or (name != "up" and word.startswith(name))) and "{" not in word
        for word in parts
    )


@pytest.mark.parametrize("content", ["project: [", "project: other", "a: [{project: other}]"])
def test_file_that_names_another_system_is_refused(
    filled: Filled, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "deploy" / "values" / "values.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(GovernanceError, match=r"values\.yaml: (project|cannot be read)"):
        require_one_name(filled.org.ownership.system, tmp_path)


def test_prometheus_may_scrape_other_systems_too(filled: Filled, tmp_path: Path) -> None:
    path = tmp_path / "monitoring" / "prometheus" / "prometheus.yml"
    path.parent.mkdir(parents=True)
    path.write_text("a: [{labels: {system: other}}, {labels: {system: fraud-scoring}}]")
    require_one_name(filled.org.ownership.system, tmp_path)
    path.write_text("a: [{labels: {system: other}}]")
    with pytest.raises(GovernanceError, match=r"system: other, but .* system.name: fraud-scoring"):
        require_one_name(filled.org.ownership.system, tmp_path)


def scraped(system: str, environment: str, values: str, **labels: str) -> dict[str, str]:
    received = {"job": "ml-service", "system": system, "environment": environment, **labels}
    return {
        "series": "up{" + ", ".join(f'{name}="{value}"' for name, value in received.items()) + "}",
        "values": values,
    }


def ends(query: str, minute: int, *samples: tuple[str, float]) -> dict[str, Any]:
    message = [{"labels": labels, "value": value} for labels, value in samples]
    return {"expr": query, "eval_time": f"{minute}m", "exp_samples": message}


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="Prometheus is not on this machine; .ci/run installs it"
)
def test_each_project_on_one_prometheus_is_evaluated_once(filled: Filled, tmp_path: Path) -> None:
    """Four sets of rules are loaded. One project has no production, and its staging ends."""
    for name in ("fraud-scoring", "churn"):
        filled.change("ownership.yaml", "name: fraud-scoring", f"name: {name}")
        for environment in ("staging", "production"):
            spec = prometheus_rule(RULES, filled.org, environment)["spec"]
            (tmp_path / f"{name}-{environment}.yml").write_text(yaml.safe_dump(spec))
    firing = (
        'count by (alertname, system, environment) (ALERTS{alertstate="firing", severity="page"})'
    )
    test = {
        "interval": "1m",
        "input_series": [
            scraped("fraud-scoring", "staging", "1x5 0x30"),
            scraped("churn", "staging", "1x40"),
            scraped("churn", "production", "1x40"),
            {
                "series": 'ml_record_store_up{system="churn", environment="production"}',
                "values": "0x40",
            },
            {
                "series": 'ml_model_info{system="churn", environment="staging", version="1"}',
                "values": "1x40",
            },
            {
                "series": 'ml_model_info{system="churn", environment="production", version="1"}',
                "values": "1x40",
            },
        ],
        "promql_expr_test": [
            ends(
                firing,
                20,
                ('{alertname="ServiceDown", system="fraud-scoring", environment="production"}', 1),
                ('{alertname="ServiceDown", system="fraud-scoring", environment="staging"}', 1),
                ('{alertname="RecordStoreDown", system="churn", environment="production"}', 1),
            ),
            ends(
                "ml:replica_up:max",
                3,
                ('ml:replica_up:max{system="fraud-scoring", environment="staging"}', 1),
                ('ml:replica_up:max{system="churn", environment="staging"}', 1),
                ('ml:replica_up:max{system="churn", environment="production"}', 1),
            ),
        ],
    }
    files = sorted(path.name for path in tmp_path.glob("*-*.yml"))
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": files, "evaluation_interval": "1m", "tests": [test]})
    )
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
