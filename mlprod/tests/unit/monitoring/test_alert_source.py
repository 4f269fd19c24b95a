"""A bad source of the alerts is refused: the message names file and alert, what was given, and what
works.
"""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from alert_checks import EXAMPLE, EXAMPLE_GROUPS, AlertSourceError, read_source
from alert_source import Alerts, AlertSource, Groups
from generate_alerts import BEGIN, END, PAGE, generate, main
from mlprod.assets import PROJECT

ALERTS, GROUPS, SERVICE = "alerts.yaml", "rule_groups.yaml", "project/docs/runbooks/service.md"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the source of the alerts and the pages about them."""
    shutil.copytree(PROJECT / "docs", tmp_path / "assets" / "project" / "docs")
    for name in (ALERTS, GROUPS):
        shutil.copy(PROJECT.parent / name, tmp_path / "assets")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        (
            ALERTS,
            "    severity: page\n",
            "",
            "alerts.ErrorBudgetBurnsFast.severity: Field required",
        ),
        (
            ALERTS,
            "    summary: The service runs and has no model\n",
            "",
            "alerts.NoModelLoaded.summary: Field required",
        ),
        (
            ALERTS,
            "severity: page",
            "severity: urgent",
            r"severity: Input should be 'page', 'ticket' or 'info'; given: 'urg",
        ),
        (
            ALERTS,
            "    outcome: serving",
            "    outcome: ops",
            r"Fast.outcome: 'ops' is unknown; works: .*serving",
        ),
        (
            ALERTS,
            "  RequestsShed:",
            "  LatencyHigh:",
            r"the key 'LatencyHigh' appears twice, on lines \[\d+, \d+\]",
        ),
        (
            ALERTS,
            "for: 10m",
            "for: ten minutes",
            "alerts.LatencyHigh.for: .*; given: 'ten minutes'",
        ),
        (
            ALERTS,
            "    for: 10m",
            "    fore: 10m",
            "alerts.LatencyHigh.fore: Extra inputs are not permitted",
        ),
        (
            ALERTS,
            "group: ml-load",
            "group: ml-lode",
            "alerts.LatencyHigh.group: 'ml-lode' is not in rule_groups.yaml",
        ),
        (
            ALERTS,
            "max_slow_share: 0.05",
            "max_slow_share: five",
            "LatencyHigh.thresholds.max_slow_share.*given: 'five'",
        ),
        (
            ALERTS,
            "      max_slow_share: 0.05\n",
            "",
            r"LatencyHigh.expr: \$\{max_slow_share\} is not a threshold; works",
        ),
        (
            ALERTS,
            "${max_slow_share|percent}",
            "${max_slow_share|per}",
            r"LatencyHigh.fires_when: \$\{max_slow_share\|per\}",
        ),
        (
            ALERTS,
            "> ${max_slow_share}",
            "> 0.05",
            "LatencyHigh.thresholds.max_slow_share: no rule reads it; works: write",
        ),
        (
            ALERTS,
            "more than ${max_slow_share|percent}",
            "many",
            "LatencyHigh.fires_when: the row .* does not show max_slow_share",
        ),
        (
            ALERTS,
            "more than ${max_slow_share",
            "a | ${max_slow_share",
            r"LatencyHigh.fires_when: it contains \|, which ends",
        ),
        (
            ALERTS,
            "min_shed_requests: 10",
            "min_cases: 10",
            "threshold 'min_cases' is set in RequestsShed and BypassHigh",
        ),
        (
            ALERTS,
            "ml:predict_slow:ratio_rate5m",
            "ml:predict_slow:rate5m",
            "LatencyHigh.expr: ml:predict_slow:rate5m is not a recording",
        ),
        (
            ALERTS,
            "service.md#latencyhigh",
            "service.md#slow",
            r"LatencyHigh.runbook: given .*#slow, but .*#latencyhigh",
        ),
        (
            ALERTS,
            "  MetricsAbsent:",
            "  MetricsGone:",
            "alerts.MetricsGone.runbook: .* but no page has a section for it",
        ),
        (
            SERVICE,
            "## LatencyHigh\n",
            "",
            "alerts.LatencyHigh.runbook: .* no page has a section for it; works: runbook: ",
        ),
        (
            SERVICE,
            "## LatencyHigh",
            "## Slow\n\n## LatencyHigh",
            "service.md#slow: no alert has this section; works: add Slow to",
        ),
        (
            GROUPS,
            "    file: service",
            "    file: servant",
            "groups.ml-availability.file: 'servant' is not a key of files; works",
        ),
        (
            GROUPS,
            "${slow_seconds}",
            "${slow_minutes}",
            r"ratio_rate5m.expr: \$\{slow_minutes\} is not a threshold",
        ),
        (ALERTS, "\nalerts:", "\nalerts: [", "not readable as YAML"),
    ],
)
def test_a_bad_source_is_refused_with_what_works(
    package: Path,
    file: str,
    before: str,
    after: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = package / "assets" / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    assert main(package) == 1
    printed = capsys.readouterr().err
    assert re.search(message, printed), printed
    assert printed.startswith(str(package / "assets")), "the file is named"
    assert [path.name for path in package.iterdir()] == ["assets"], "nothing is half written"


def test_every_error_is_named_at_once(package: Path) -> None:
    path = package / "assets" / ALERTS
    path.write_text(
        path.read_text()
        .replace("outcome: serving", "outcome: ops")
        .replace("${slow_seconds}", "${slow}")
    )
    with pytest.raises(AlertSourceError) as refused:
        read_source(package / "assets")
    assert str(refused.value).count("'ops' is unknown") > 5
    assert "${slow} is not a threshold" in str(refused.value)


def test_what_an_error_shows_as_an_example_can_be_read() -> None:
    alerts = Alerts.model_validate(yaml.safe_load(EXAMPLE)).alerts
    groups = Groups.model_validate(yaml.safe_load(EXAMPLE_GROUPS))
    source = AlertSource(alerts, groups.files, groups.groups)
    assert source.fill(alerts["LatencyHigh"].expr) == "ml:predict_slow:ratio_rate5m > 0.05"
    assert source.fill(alerts["LatencyHigh"].fires_when).startswith(
        "more than 5 % of the predictions"
    )


@pytest.mark.parametrize("mark", [BEGIN, END])
def test_the_page_without_a_mark_is_refused(package: Path, mark: str) -> None:
    page = package / PAGE
    page.write_text(page.read_text().replace(mark, ""))
    with pytest.raises(AlertSourceError, match="a mark of the table is missing"):
        generate(package)


def test_a_summary_that_yaml_would_misread_is_quoted(package: Path) -> None:
    path = package / "assets" / ALERTS
    path.write_text(
        path.read_text().replace("Predictions take too long", '"Slow: predictions # all of them"')
    )
    rules = yaml.safe_load(
        generate(package)["assets/project/monitoring/prometheus/service.rules.yml"]
    )
    summaries = {
        r["annotations"]["summary"]
        for group in rules["groups"]
        for r in group["rules"]
        if "alert" in r
    }
    assert "Slow: predictions # all of them" in summaries
