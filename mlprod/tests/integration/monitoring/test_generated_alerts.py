"""alerts.yaml is the one source: rules, the page and the figures of `make check-alerts` follow from
it.
"""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from fixture_project import LIBRARY

from alert_checks import read_source
from generate_alerts import PAGE, RULES, THRESHOLDS, generate
from mlprod.monitoring import thresholds
from mlprod.monitoring.windows import DAY, MONTH, WEEK
from mlprod.serving.metrics import BUCKETS

PACKAGE = LIBRARY / "src" / "mlprod"
SOURCE = read_source(PACKAGE / "assets")
CHECK = """
from mlprod.bundle.reference_profile import Distribution
from mlprod.monitoring.alerts import input_alerts
from mlprod.monitoring.drift import Drift, FeatureCounts

city = Distribution(
    name="city",
    edges=("bergen", "oslo"),
    shares=(0.5, 0.4, 0.1),
    cumulative=(0.5, 0.9, 1.0),
    missing=0.2,
    rows=10_000,
)
counts = FeatureCounts(present=800, missing=345, cumulative=(360, 720))
drift = Drift("city", "steady", counts, city)
print(*(signal.alert for signal in input_alerts([drift])))
"""


def test_committed_files_equal_the_generated_ones() -> None:
    for name, text in generate(PACKAGE).items():
        assert (PACKAGE / name).read_text() == text, (
            f"{name} differs from alerts.yaml; run make alerts and commit"
        )


def test_changed_threshold_reaches_rule_page_and_check_alerts(
    tmp_path: Path,
) -> None:
    """30.1 % of the rows miss a field that 20 % missed: more than 10 % above, and not more than 15
    %.
    """
    shutil.copytree(
        PACKAGE, tmp_path / "src" / "mlprod", ignore=shutil.ignore_patterns("__pycache__")
    )
    for script in LIBRARY.glob("*alert*.py"):
        shutil.copy(script, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}

    def run(*parts: str) -> str:
        command = [sys.executable, *parts]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    assert run("-c", CHECK) == "MissingValues\n"
    assert run("generate_alerts.py") == "", "nothing has changed yet"
    package = tmp_path / "src" / "mlprod"
    source = package / "assets" / "alerts.yaml"
    assert source.read_text().count("max_missing_increase: 0.1\n") == 1
    source.write_text(
        source.read_text().replace("max_missing_increase: 0.1\n", "max_missing_increase: 0.15\n")
    )
    written = run("generate_alerts.py")
    assert [line.removesuffix(" is written") for line in written.splitlines()] == [
        str(package / name) for name in (RULES.format("model"), PAGE, THRESHOLDS)
    ]
    groups = yaml.safe_load((package / RULES.format("model")).read_text())["groups"]
    limit = next(
        rule
        for group in groups
        for rule in group["rules"]
        if rule.get("record") == "ml:feature_missing_limit:1h"
    )
    assert limit["expr"].endswith("), 0.15)\n")
    (row,) = re.findall(r"^\| \[MissingValues\].*$", (package / PAGE).read_text(), re.MULTILINE)
    assert "by over 15 % of the rows" in row
    assert run("-c", CHECK) == "\n"


def test_each_threshold_reaches_a_rule_its_row_and_check_alerts_if_marked(
    tmp_path: Path,
) -> None:
    shutil.copytree(
        PACKAGE / "assets",
        tmp_path / "assets",
        ignore=shutil.ignore_patterns("__pycache__", "grafana"),
    )
    path, text = (
        tmp_path / "assets" / "alerts.yaml",
        (PACKAGE / "assets" / "alerts.yaml").read_text(),
    )
    values = {name: 7_000 + number for number, name in enumerate(SOURCE.thresholds())}
    for name, value in values.items():
        text = re.sub(rf"^      {name}: .*$", f"      {name}: {value}", text, flags=re.MULTILINE)
    path.write_text(text)
    files = generate(tmp_path)
    rules = "".join(
        line.partition("#")[0]
        for name in SOURCE.files
        for line in files[RULES.format(name)].splitlines()
    )
    (tmp_path / "thresholds.py").write_text(files[THRESHOLDS])
    watched = runpy.run_path(str(tmp_path / "thresholds.py"))
    for alert, facts in SOURCE.alerts.items():
        (row,) = (line for line in files[PAGE].splitlines() if line.startswith(f"| [{alert}]"))
        for name in facts.thresholds:
            assert str(values[name]) in rules, name
            assert str(values[name]) in row, name
            assert watched.get(name.upper()) == (values[name] if facts.watch else None)


def constants(module: str) -> set[str]:
    tree = ast.parse((PACKAGE / "monitoring" / module).read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_check_alerts_raises_exactly_the_alerts_that_the_source_marks() -> None:
    raised = {text for module in ("alerts.py", "live_checks.py") for text in constants(module)}
    assert {text for text in raised if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", text)} == set(
        thresholds.OUTCOMES
    )


def test_each_threshold_of_check_alerts_is_read() -> None:
    code = "".join(
        path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "thresholds.py"
    )
    for name in vars(thresholds):
        assert name.startswith("__") or re.search(rf"\b{name}\b", code), name


def test_windows_are_those_that_the_rules_name() -> None:
    recordings = {
        name: rule.expr
        for group in SOURCE.groups.values()
        for name, rule in group.recordings.items()
    }
    assert f"* {MONTH.days} / {WEEK.days}" in recordings["ml:payoff_month:7d"]
    assert f"{WEEK.days}d" == "7d"
    assert f"ml:feature_drift:{DAY.total_seconds() / 3600:g}h" in recordings


def test_slow_seconds_is_a_histogram_bucket_of_the_service() -> None:
    """A rule that reads a missing bucket matches nothing, and never fires."""
    assert SOURCE.thresholds()["slow_seconds"] in BUCKETS
