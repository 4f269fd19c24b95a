"""The alert rules that travel in the wheel: promtool runs rules/*.test.yml on them, and each has
its runbook.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlprod.assets import PROJECT as ASSETS
from mlprod.assets import RULES as FOLDER

FILES = sorted(path.name for path in FOLDER.glob("*.rules.yml"))
GROUPS = [
    group for name in FILES for group in yaml.safe_load((FOLDER / name).read_text())["groups"]
]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = sorted((Path(__file__).parents[2] / "rules").glob("*.test.yml"))
NOT_MISSED = {  # by MetricsAbsent, and why
    "ml_model_info": "NoModelLoaded",
    "ml_active_reviewers": "under five people it is not told",
    **dict.fromkeys(
        (
            "ml_active_users_limit_ratio",
            "ml_bypass_limit_ratio",
            "ml_governance_due_timestamp_seconds",
            "ml_intended_users",
            "ml_model_age_limit_seconds",
            "ml_model_data_age_limit_seconds",
            "ml_running_cost_monthly",
            "ml_payoff_target",
        ),
        "a constant that nobody may have said; it stands in the file of ml_override_limit_ratio",
    ),
}
CONSTANTS = {name for name, why in NOT_MISSED.items() if why.startswith("a constant")} | {
    "ml_override_limit_ratio"
}
PROJECTS = [path for path in TESTS if path.name.startswith("projects.")]
ABSENT = [path for path in TESTS if path.name.startswith("absent.")]
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="Prometheus is not on this machine; .ci/run installs it"
)


def promtool(*command: str, cwd: Path) -> None:
    command_line = ["promtool", *command]
    done = subprocess.run(command_line, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rules, and beside them the tests, which name them."""
    for path in [*FOLDER.glob("*.rules.yml"), *TESTS]:
        shutil.copy(path, tmp_path)
    return tmp_path


@needs_promtool
def test_promtool_reports_no_error_in_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES, cwd=FOLDER)


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.name)
def test_each_alert_fires_or_stays_silent_as_its_cases_require(file: Path, folder: Path) -> None:
    promtool("test", "rules", file.name, cwd=folder)


def labeled(series: str, label: str, value: str) -> str:
    name, _, matchers = series.partition("{")
    return f'{name}{{{label}="{value}"' + (f", {matchers}" if matchers else "}")


def scenarios_at_once(file: Path, label: str) -> Iterator[dict[str, Any]]:
    """The tests of a file as tests of one Prometheus that scrapes them all, each under a value of
    `label` of its own.

    Constants of governance/ carry the system alone, so tests are put together whose constants are
    the same.
    """
    together: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    for number, test in enumerate(yaml.safe_load(file.read_text())["tests"]):
        if (
            not any('job="ml-service"' in element["series"] for element in test["input_series"])
            and file in ABSENT
        ):
            continue  # nothing at all is scraped, which cannot be beside others
        constants = [
            f"{item['series']} {item['values']}"
            for item in test["input_series"]
            if constant(item["series"])
        ]
        key = (test["interval"], *(sorted(constants) if label != "system" else ()))
        together.setdefault(key, []).append((f"p{number}", test))
    for (interval, *_), tests in together.items():
        series = {
            entry["series"]
            if constant(entry["series"]) and label != "system"
            else labeled(entry["series"], label, name):
            entry["values"]
            for name, test in tests
            for entry in test["input_series"]
        }  # fmt: skip
        yield {
            "interval": interval,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"count(ALERTS{{alertstate='firing', alertname='{case['alertname']}', "
                    f"{label}='{name}'}}) "
                    "or vector(0)",
                    "eval_time": case["eval_time"],
                    "exp_samples": [{"labels": "{}", "value": len(case["exp_alerts"])}],
                }
                for name, test in tests
                for case in test.get("alert_rule_test", [])
                if label == "system"
                or case["alertname"] != "GovernanceOverdue"  # whose series are constants
            ],
        }


def constant(series: str) -> bool:
    return series.partition("{")[0] in CONSTANTS


@needs_promtool
@pytest.mark.parametrize(
    ("file", "label"),
    [
        pytest.param(
            path,
            label,
            id=f"{path.name}-{label}",
            marks=pytest.mark.sampled(f"{path.name} at once"),
        )
        for path in TESTS
        if path not in PROJECTS
        for label in ("system", "environment", "namespace")
    ],
)
def test_each_alert_fires_alike_with_many_projects_on_one_prometheus(
    file: Path, label: str, tmp_path: Path
) -> None:
    """Every scenario is a project, or an environment, of one Prometheus: nothing is added up across
    them.
    """
    for name in FILES:
        shutil.copy(FOLDER / name, tmp_path)
    tests = list(scenarios_at_once(file, label))
    assert any(len(test["input_series"]) > 8 for test in tests)
    (tmp_path / "at-once.yml").write_text(
        yaml.safe_dump(yaml.safe_load(file.read_text()) | {"tests": tests})
    )
    promtool("test", "rules", "at-once.yml", cwd=tmp_path)


def test_every_rule_separates_systems_and_environments() -> None:
    """An aggregation or a match that names no system would add up or compare what belongs to
    different projects.
    """
    for rule in RULES:
        text = re.sub(r"#.*", "", rule["expr"])
        name = rule.get("alert") or rule["record"]
        lists = re.findall(r"\b(by|on|ignoring|without) \(([^)]*)\)", text)
        for word, labels in lists:
            assert word in ("by", "on"), name
            if (name, labels) != ("ServiceDown", ""):
                assert labels == "system" or labels.startswith("system, environment, namespace"), (
                    f"{name}: {labels}"
                )
        aggregations = re.findall(
            r"(?<![:\w])(?:sum|max|min|avg|count|topk|group|quantile|stddev)\b(?! by )", text
        )
        assert not aggregations, name
        assert "vector(" not in text or name.startswith("ml_"), f"{name}: a constant of no project"


def test_each_alert_has_a_firing_and_a_silent_case() -> None:
    shown = [
        (case["alertname"], bool(case["exp_alerts"]))
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    for alert in ALERTS:
        assert {(alert, True), (alert, False)} <= set(shown), alert


@needs_promtool
@pytest.mark.parametrize(
    ("rules", "before", "after", "test", "alert"),
    [
        (
            "service",
            "ml_record_store_up == 0",
            "ml_record_store_up == 2",
            "service.rules",
            "RecordStoreDown",
        ),
        (
            "model",
            "ml:feature_ks:24h > 0.05",
            "ml:feature_ks:24h > 0.03",
            "model.rules",
            "FeatureDrift",
        ),
        (
            "model",
            "and on (system, environment, namespace, reference) ml:reference_hours:24h",
            "or ml:reference_hours:24h",
            "model.rules",
            "FeatureDrift",
        ),
        (
            "value",
            "and ml:payoff_month_before:7d < on (system) group_left () ml_payoff_target",
            "",
            "value.rules",
            "ValueBelowTarget",
        ),
    ],
)
def test_promtool_notices_when_a_limit_changes(
    folder: Path, rules: str, before: str, after: str, test: str, alert: str
) -> None:
    """A test that passes with any rule proves nothing."""
    changed = folder / f"{rules}.rules.yml"
    assert changed.read_text().count(before) == 1
    changed.write_text(changed.read_text().replace(before, after))
    content = yaml.safe_load((folder / f"{test}.test.yml").read_text())
    subject = [
        test
        for test in content["tests"]
        if any(c["alertname"] == alert for c in test.get("alert_rule_test", ()))
    ]
    assert subject
    (folder / "about.yml").write_text(yaml.safe_dump(content | {"tests": subject}))
    command = ["promtool", "test", "rules", "about.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert alert in done.stdout + done.stderr


def test_each_alert_has_a_section_of_a_runbook_that_its_rule_names() -> None:
    assert len(ALERTS) == sum("alert" in rule for rule in RULES), "an alert has one name"
    pages = {path.name: sections(path) for path in (ASSETS / "docs" / "runbooks").glob("*.md")}
    assert sorted(alert for page in pages.values() for alert in page) == sorted(ALERTS), (
        "each on one page, once"
    )
    for name, rule in ALERTS.items():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page, anchor) == (f"docs/runbooks/{Path(page).name}", name.lower())
        section = pages[Path(page).name][name]
        for part in ("Meaning", "Affected", "First look", "Stop the harm", "Cause"):
            assert section.count(f"\n**{part}.**") == 1, f"{name}: {part}"


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of a runbook; a heading is an alert's name."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def queries_of_the_runbooks() -> dict[str, str]:
    pages = sorted((ASSETS / "docs" / "runbooks").glob("*.md"))
    requested = re.compile(r"(?:promtool query instant \S+ '|'query=)([^'\n]+)'")
    return {
        query: page.stem
        for page in pages
        for query in requested.findall(page.read_text(encoding="utf-8"))
    }


@needs_promtool
def test_each_query_of_a_runbook_separates_systems_and_environments(
    tmp_path: Path,
) -> None:
    queries = queries_of_the_runbooks()
    assert len(queries) > 20
    for query, page in queries.items():
        assert not re.search(
            r"(?<![:\w])(?:sum|max|min|avg|count)\b(?! by \(system, environment)", query
        ), page
        assert all(
            "system, environment" in labels for labels in re.findall(r"\bon \(([^)]*)\)", query)
        ), page
    rules = [
        {"record": "asked", "expr": query, "labels": {"page": page}}
        for query, page in queries.items()
    ]
    (tmp_path / "asked.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]})
    )
    promtool("check", "rules", "asked.yml", cwd=tmp_path)


def needed() -> set[str]:
    """The metrics that recording rules and alerts read."""
    return {name for rule in RULES for name in re.findall(r"\bml_[a-z0-9_]+", rule["expr"])}


def test_metrics_absent_covers_each_metric_that_an_alert_needs() -> None:
    missed = set(re.findall(r'"metric", "(ml_\w+)"', ALERTS["MetricsAbsent"]["expr"]))
    assert missed.isdisjoint(NOT_MISSED)
    assert missed | set(NOT_MISSED) == needed()
    assert (
        "unless on (system, environment, namespace, instance) ml_model_info"
        in ALERTS["NoModelLoaded"]["expr"]
    )
