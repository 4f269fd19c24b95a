"""Tests of the thresholds of the alert rules, with Prometheus."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from filled import Filled, filled
from fixture_project import PROJECT

from mlprod.governance.alert_thresholds import threshold_rules
from mlprod.governance.gates import AgeLimits
from mlprod.governance.generated import render_files
from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
RULES = PROJECT / "monitoring" / "prometheus"
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="Prometheus is not on this machine; .ci/run installs it"
)
DUE = "ml_governance_due_timestamp_seconds"


def recorded(filled: Filled) -> dict[str, float]:
    """The constants by name; a due day by file and key."""
    result: dict[str, float] = {}
    for rule in threshold_rules(filled.org)["groups"][0]["rules"]:
        name = rule["labels"].get("what", rule["record"])
        assert rule["labels"]["system"] == "fraud-scoring"
        assert "environment" not in rule["labels"], "a threshold is valid in every environment"
        assert (rule["record"] == DUE) == (name != rule["record"])
        assert name not in result, "a second one would hide the first"
        result[name] = float(rule["expr"].removeprefix("vector(").removesuffix(")"))
    return result


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def day_over(day: str) -> float:
    return datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=UTC).timestamp() + 86_400


def test_figures_of_the_files_are_recorded(filled: Filled) -> None:
    result = recorded(filled)
    assert {name: value for name, value in result.items() if name.startswith("ml_")} == {
        "ml_payoff_target": 50_000,
        "ml_running_cost_monthly": 4_000,
        "ml_intended_users": 12,
        "ml_active_users_limit_ratio": 0.8,
        "ml_override_limit_ratio": 0.3,
        "ml_bypass_limit_ratio": 0.1,
        "ml_model_age_limit_seconds": 90 * 86_400,
    }


def test_due_day_ends_at_midnight(filled: Filled) -> None:
    filled.change("problem.yaml", "by: 2026-12-31", "by: 9999-12-31")
    (filled.folder / "waivers.yaml").write_text(
        "waivers:\n  - {check: pickle, reason: a, risk: b, approved_by: model_owner, "
        "expires: 2026-07-01}\n"
    )
    result = {name: value for name, value in recorded(filled).items() if not name.startswith("ml_")}
    acceptances = {
        name for name in result if name.startswith("governance/ownership.yaml: accepted: ")
    }
    assert {result.pop(name) for name in acceptances} == {day_over("2026-07-31")}
    assert len(acceptances) == 7
    assert result == {
        "governance/problem.yaml: value.by": day_over("9999-12-31"),
        "governance/problem.yaml: kill_criteria[0].by": day_over("2026-09-30"),
        "governance/risk.yaml: risks[0].review_by (unfair)": day_over("2026-08-01"),
        "governance/waivers.yaml: waivers[0].expires (pickle)": day_over("2026-07-01"),
    }


def test_only_the_last_acceptance_of_the_accountable_person_counts(filled: Filled) -> None:
    line = (
        "  - {person: data_owner, outcome: data_quality, date: 2026-05-04, review_by: "
        "2026-07-31, evidence: p/1}\n"
    )
    older = line.replace("2026-05-04", "2026-01-04").replace("2026-07-31", "2026-04-01")
    deputy = older.replace("data_owner", "model_owner")
    filled.change("ownership.yaml", line, older + line + deputy)
    assert recorded(filled)[
        "governance/ownership.yaml: accepted: data_quality: review_by"
    ] == day_over("2026-07-31")


@pytest.mark.parametrize(
    ("file", "line", "constant"),
    [
        ("problem.yaml", "  payoff_a_month: 50000\n", "ml_payoff_target"),
        ("problem.yaml", "  cost_a_month: 4000\n", "ml_running_cost_monthly"),
        ("change_plan.yaml", "adoption: {intended_users: 12}\n", "ml_intended_users"),
    ],
)
def test_figure_that_is_not_filled_in_is_left_out(
    filled: Filled, file: str, line: str, constant: str
) -> None:
    assert constant in recorded(filled)
    filled.change(file, line, "")
    assert constant not in recorded(filled)


def test_age_limits_are_those_of_the_gates(filled: Filled) -> None:
    path = filled.folder / "gates.yaml"
    before = path.read_text()
    path.write_text(before + "watch: {model_days: null, data_days: 30}\n")
    result = recorded(filled)
    assert result["ml_model_data_age_limit_seconds"] == 30 * 86_400
    assert "ml_model_age_limit_seconds" not in result
    assert filled.org.watch == AgeLimits(model_days=None, data_days=30)
    path.write_text(before + "watch: {data_days: 0}\n")
    with pytest.raises(GovernanceError, match=r"watch\.data_days"):
        _ = filled.org


@needs_promtool
def test_thresholds_apply_to_their_own_system_only(filled: Filled, tmp_path: Path) -> None:
    """Both files are loaded into one Prometheus.

    40 % is overruled everywhere, which one system allows.
    """
    for name, limit in (("fraud-scoring", "0.3"), ("churn", "0.5")):
        filled.change("ownership.yaml", "name: fraud-scoring", f"name: {name}")
        filled.change("gates.yaml", "override_stop: 0.3", f"override_stop: {limit}")
        made = render_files(filled.org, {}, tmp_path)["monitoring/prometheus/governance.rules.yml"]
        (tmp_path / f"{name}.yml").write_text(made)
    for rules_of in ("model", "value"):
        shutil.copy(RULES / f"{rules_of}.rules.yml", tmp_path)
    places = [
        (system, where)
        for system in ("fraud-scoring", "churn", "")
        for where in ("staging", "production")
    ]
    series = [
        {"series": f'{metric}, system="{system}", environment="{where}"' + "}", "values": values}
        for system, where in places
        for metric, values in (
            ('ml_model_info{version="1"', "1x100"),
            ('ml_decision_feedback_total{model_version="1", verdict="overridden"', "0+4x100"),
            ('ml_decision_feedback_total{model_version="1", verdict="accepted"', "0+6x100"),
        )
    ]
    firing = (
        'count by (system, environment) (ALERTS{alertstate="firing", alertname="OverrideRateHigh"})'
    )
    ours = [
        {"labels": "".join(("{", f'system="{system}", environment="{where}"', "}")), "value": 1}
        for system, where in places
        if system == "fraud-scoring"
    ]
    test = {
        "interval": "1h",
        "input_series": series,
        "promql_expr_test": [{"expr": firing, "eval_time": "90h", "exp_samples": ours}],
    }
    tests = {
        "rule_files": ["fraud-scoring.yml", "churn.yml", "model.rules.yml", "value.rules.yml"],
        "evaluation_interval": "1h",
        "group_eval_order": ["ml-governance", "ml-answering", "ml-use"],  # or it is by chance
        "tests": [test],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(tests))
    done = promtool("test", "rules", str(tmp_path / "test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_a_file_with_odd_ids(filled: Filled, tmp_path: Path) -> None:
    filled.change("risk.yaml", "id: unfair", "id: 'a \"b\" \\ { $labels } é \u2028 #'")
    filled.change("problem.yaml", "payoff_a_month: 50000", "payoff_a_month: -0.00000001")
    path = tmp_path / "governance.rules.yml"
    path.write_text(
        render_files(filled.org, {}, tmp_path)["monitoring/prometheus/governance.rules.yml"],
        encoding="utf-8",
    )
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
