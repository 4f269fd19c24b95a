"""Dashboards of a baked project: valid format and existing metrics.

The tests run the queries in Prometheus. They do not start Grafana.
"""

import json
import re
import urllib.error
import urllib.parse
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ASSETS, LIBRARY, BakedProject, make_targets
from test_baked_life import (
    Project,
    environment,
    free_port,
    get,
    post,
    post_json,
    project,
    readme_request,
    wait_for_version,
)
from test_baked_operations import (
    ALERTS,
    PROMETHEUS,
    eventually,
    fill_in,
    needs_prometheus,
    prometheus,
    tool,
)

__all__ = ["environment", "project"]  # fixtures
# Metrics from governance/; their only label is the system.
CONSTANTS = {
    "ml_active_users_limit_ratio",
    "ml_bypass_limit_ratio",
    "ml_governance_due_timestamp_seconds",
    "ml_intended_users",
    "ml_model_age_limit_seconds",
    "ml_model_data_age_limit_seconds",
    "ml_override_limit_ratio",
    "ml_running_cost_monthly",
    "ml_payoff_target",
}
GRAFANA = ASSETS / "monitoring" / "grafana"
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(GRAFANA.glob("dashboards/*.json"))
}
# Panel types that need no plug-in.
CORE = set("barchart bargauge heatmap stat state-timeline table timeseries".split())
# Units of Grafana's list. Grafana prints an unknown unit as text.
UNITS = set("locale percentunit reqps rowsps s short".split())
CORE_TRANSFORMATIONS = {"filterFieldsByName", "merge", "organize", "sortBy"}
# Metrics without data for a healthy service in use, in a project with complete governance files.
MAY_BE_EMPTY = {
    "ALERTS": "no alert fires",
    "ml_model_data_age_limit_seconds": "the maximum age of data is optional",
    "ml_outcome_correct_total": "only a label with classes",
    "ml_outcome_log_loss_total": "only a label with classes",
}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_expressions(folder: Path) -> list[tuple[str, str, str]]:
    """Return (dashboard, title of the panel, expression) for each target of each dashboard."""
    boards = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
    return [
        (name, panel["title"], target["expr"])
        for name, board in boards.items()
        for panel in panels(board)
        for target in panel["targets"]
    ]


def filled_in(expression: str, rate_interval: str = "5m", span: str = "1h") -> str:
    """Return the query that Grafana sends, with its variables replaced."""
    values = {
        "$__rate_interval": rate_interval,
        "$__range": span,
        "$version": ".*",
        "$field": "(score)",
    }
    values |= {"$system": "fraud-scoring", "$environment": "local", "$namespace": ""}
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def expressions_without_data(prometheus: str, folder: Path) -> list[tuple[str, str, str]]:
    """Return the `panel_expressions` without data in a running Prometheus, except MAY_BE_EMPTY."""

    def samples(expression: str) -> list[Any]:
        query = urllib.parse.urlencode({"query": filled_in(expression)})
        return list(get(f"{prometheus}/api/v1/query?{query}")["data"]["result"])

    return [
        (board, title, expression)
        for board, title, expression in panel_expressions(folder)
        if not samples(expression) and not named(expression) & MAY_BE_EMPTY.keys()
    ]


@pytest.mark.sampled("what takes five minutes")
@needs_prometheus
@pytest.mark.slow
def test_each_panel_has_data_from_a_running_service(project: Project, tmp_path: Path) -> None:
    fill_in(project)
    for verb in ("generate", "baseline", "train"):
        project.makes(verb)
    project.makes("promote", REASON="it beats the rule")
    # No Alertmanager listens at this address.
    unused = f"http://127.0.0.1:{free_port()}"
    with project.serving() as address:
        wait_for_version(address, "2")
        with prometheus(project, unused, tmp_path / "prometheus") as prom:
            empty: list[tuple[str, str, str]] = []

            def all_have_data() -> bool:
                in_use(project, address)
                empty[:] = expressions_without_data(
                    prom, project.path / "monitoring" / "grafana" / "dashboards"
                )
                return not empty

            eventually(all_have_data, "each panel has data", lambda: empty, seconds=300)


def in_use(project: Project, address: str) -> None:
    """Send predictions, an invalid request, outcomes of both kinds and feedback of six people."""
    bad = readme_request(project)
    good = bad | {"amount": 12.5, "channel": "chip", "merchant": "groceries", "hour": 11}
    answers = post(f"{address}/v1/predict", [bad, good] * 6)["predictions"]
    with pytest.raises(urllib.error.HTTPError, match="422"):
        post(f"{address}/v1/predict", [bad | {"amount": -1}])
    at = datetime.now(UTC).isoformat()
    outcomes = [
        {"prediction_id": answer["id"], "outcome": number // 2 % 2, "at": at}
        for number, answer in enumerate(answers)
    ]
    post_json(f"{address}/v1/outcomes", {"outcomes": outcomes})
    judged = {"verdict": "overridden", "reason": "known-customer", "handling_seconds": 40}
    given = [
        judged | {"prediction_id": answer["id"], "reviewer": f"desk-{number % 6}"}
        for number, answer in enumerate(answers)
    ]
    post_json(f"{address}/v1/feedback", {"feedback": given})


def named(expression: str) -> set[str]:
    """Return the metrics and recorded series that an expression reads."""
    return set(re.findall(r"\b(?:ml[_:][a-zA-Z0-9_:]+|up|ALERTS)\b", expression))


def recorded() -> set[str]:
    rules = [yaml.safe_load(path.read_text()) for path in PROMETHEUS.glob("*.rules.yml")]
    return {
        rule["record"]
        for file in rules
        for group in file["groups"]
        for rule in group["rules"]
        if "record" in rule
    }


def served() -> set[str]:
    """Return every metric name in the code, with the suffixes that Prometheus sees."""
    source = "".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py"))
    endings = ("", "_total", "_bucket", "_count", "_sum")
    return {name + ending for name in re.findall(r'"(ml_[a-z0-9_]+)', source) for ending in endings}


def test_each_audience_has_one_dashboard() -> None:
    assert set(BOARDS) == {"service", "model", "value-and-adoption"}
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_dashboard_has_the_format_of_grafana(name: str) -> None:
    board = BOARDS[name]
    assert re.fullmatch(r"[\w-]{1,40}", board["uid"])
    assert "id" not in board, "Grafana assigns the id"
    # Grafana 10.3. Later versions migrate the dashboard when they load it.
    assert board["schemaVersion"] == 39
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(number, int) and number > 0 for number in ids)
    for variable in board["templating"]["list"]:
        assert variable["datasource"]["uid"] == "prometheus"
        assert f"${variable['name']}" in json.dumps(board["panels"]), "a variable is unused"


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap_or_exceed_the_grid(name: str) -> None:
    taken = [(panel["title"], panel["gridPos"]) for panel in BOARDS[name]["panels"]]
    for title, at in taken:
        assert at["w"] > 0 <= at["x"] <= 24 - at["w"], title
        assert at["h"] > 0 <= at["y"], title
    for (one, a), (other, b) in combinations(taken, 2):
        apart_across = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_down = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_across or apart_down, f"{one} overlaps {other}"


@pytest.mark.parametrize("name", BOARDS)
def test_each_panel_has_a_title_and_an_instruction(name: str) -> None:
    for panel in panels(BOARDS[name]):
        assert panel["type"] in CORE, panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}, panel["title"]
        assert panel["title"]
        assert len(panel["description"]) > 60, (
            f"{panel['title']}: the description must say what to do"
        )
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        # By default, Grafana shows values above 80 in red.
        if panel["type"] in ("stat", "bargauge"):
            assert {"thresholds", "color"} & set(defaults), panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references, panel["title"]
        assert len(set(references)) == len(references), panel["title"]
        assert {
            change["id"] for change in panel.get("transformations", [])
        } <= CORE_TRANSFORMATIONS, panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_legends_columns_and_overrides_name_labels_of_the_query(name: str) -> None:
    """For a missing label or column, Grafana shows neither data nor an error."""
    for panel in panels(BOARDS[name]):
        title, targets = panel["title"], panel["targets"]
        for target in targets:
            labels = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
            assert set(labels) <= set(grouping_labels(target["expr"])), title
        values = (
            {f"Value #{target['refId']}" for target in targets} if len(targets) > 1 else {"Value"}
        )
        columns = {
            label for target in targets for label in grouping_labels(target["expr"])
        } | values
        shown: set[str] = set()
        for change in panel.get("transformations", []):
            options = change["options"]
            if change["id"] == "filterFieldsByName":
                shown = set(options["include"]["names"])
                assert shown <= columns, title
            elif change["id"] == "organize":
                assert set(options["indexByName"]) == shown, title
                assert set(options["renameByName"]) <= shown, title
                shown = {options["renameByName"].get(column, column) for column in shown}
            elif change["id"] == "sortBy":
                assert {by["field"] for by in options["sort"]} <= columns, title
        assert {by["displayName"] for by in panel.get("options", {}).get("sortBy", [])} <= shown, (
            title
        )
        assert panel["type"] != "barchart" or panel["options"]["xField"] in shown, title
        for override in panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            known = (
                {target["refId"] for target in targets}
                if matcher["id"] == "byFrameRefID"
                else shown
            )
            assert matcher["options"] in known, title


def grouping_labels(expression: str) -> list[str]:
    """Return the labels by which an expression aggregates, including `le`."""
    return [
        label
        for group in re.findall(r"\bby \(([^)]*)\)", expression)
        for label in group.split(", ")
    ]


# Matchers of the variables at the top of each dashboard.
CHOSEN = ('system="$system"', 'environment="$environment"', 'namespace="$namespace"')
ALERTS_CHOSEN = ('system="$system"', 'environment=~"$environment|"', 'namespace=~"$namespace|"')
SELECTOR = re.compile(
    r'"[^"]*"|\b(?P<metric>up\b|ALERTS|ml[_:][a-z0-9_:]+)(?:\{(?P<matchers>[^}]*)\})?'
)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_filters_by_the_selected_system_and_environment(name: str) -> None:
    variables = {variable["name"]: variable for variable in BOARDS[name]["templating"]["list"]}
    assert list(variables)[:3] == ["system", "environment", "namespace"]
    for variable in ("system", "environment", "namespace"):
        assert not variables[variable]["includeAll"], "the dashboard would sum two environments"
        assert not variables[variable]["multi"]
    shown = [target["expr"] for panel in panels(BOARDS[name]) for target in panel["targets"]]
    shown += [
        variable["query"]["query"] for place, variable in enumerate(variables.values()) if place > 2
    ]
    for expression in shown:
        for selector in SELECTOR.finditer(expression):
            if metric := selector["metric"]:
                chosen = (
                    CHOSEN[:1]
                    if metric in CONSTANTS
                    else ALERTS_CHOSEN
                    if metric == "ALERTS"
                    else CHOSEN
                )
                assert (selector["matchers"] or "").startswith(", ".join(chosen)), expression
    for place, variable in enumerate(("system", "environment", "namespace")):
        matchers = ", ".join(('job="ml-service"', *CHOSEN[:place]))
        assert (
            variables[variable]["query"]["query"] == f"label_values(up{{{matchers}}}, {variable})"
        )


def test_rates_use_the_rate_interval_of_grafana_or_a_day() -> None:
    for board, title, expression in panel_expressions(GRAFANA / "dashboards"):
        for function, window in re.findall(r"\b(rate|increase)\([^\[]*\[([^\]]+)\]", expression):
            assert window in {"$__rate_interval", "$__range", "1d", "7d", "24h"}, (
                f"{board}, {title}"
            )
            assert function != "rate" or window == "$__rate_interval", f"{board}, {title}"


def test_each_metric_of_a_panel_exists() -> None:
    known = served() | recorded() | {"up", "ALERTS"}
    for board, title, expression in panel_expressions(GRAFANA / "dashboards"):
        assert named(expression) <= known, f"{board}, {title}: {sorted(named(expression) - known)}"


@needs_prometheus
def test_promtool_accepts_each_expression(tmp_path: Path) -> None:
    rules = [
        {"record": "panel", "expr": filled_in(expression), "labels": {"number": str(number)}}
        for number, (_, _, expression) in enumerate(panel_expressions(GRAFANA / "dashboards"))
    ]
    (tmp_path / "panels.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
    )
    assert f"{len(rules)} rules found" in tool(
        "promtool", "check", "rules", "panels.yml", cwd=tmp_path
    )


def test_thresholds_of_panels_equal_those_of_the_alerts() -> None:
    service = {panel["title"]: panel for panel in panels(BOARDS["service"])}

    def drawn(title: str) -> set[float]:
        steps = service[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return {float(step["value"]) for step in steps if step["value"] is not None}

    burns = ALERTS["ErrorBudgetBurnsFast"]["expr"] + ALERTS["ErrorBudgetBurnsSlowly"]["expr"]
    assert drawn("Error budget burn, by window") == {
        float(n) for n in re.findall(r"> ([\d.]+) \* 0\.001", burns)
    }
    assert f"> {drawn('Predictions slower than 0.25 s').pop()}" in ALERTS["LatencyHigh"]["expr"]
    assert (
        f"> {drawn('How full the event log is, by replica').pop()} *"
        in ALERTS["EventLogHalfFull"]["expr"]
    )


def test_figures_about_people_need_at_least_five_people() -> None:
    for board, title, expression in panel_expressions(GRAFANA / "dashboards"):
        if (
            "ml_handling_seconds" in expression
            or "by (reason) (increase(ml_decision_feedback" in expression
        ):
            assert "and on () max(ml_active_reviewers{" in expression, f"{board}, {title}"


def test_dashboards_page_names_each_row_and_only_existing_ones(baked: BakedProject) -> None:
    page = baked.read("docs/metrics.md")
    targets = make_targets(baked.read("Makefile")).keys()
    for name, board in BOARDS.items():
        assert f"monitoring/grafana/dashboards/{name}.json" in page
        for row in board["panels"]:
            assert row["type"] != "row" or row["title"].rstrip("?") in page, row["title"]
        text = page + "".join(panel["description"] for panel in panels(board))
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
        for file in re.findall(
            r"\b(?:docs|governance|monitoring)/[\w/.-]*\.(?:md|yaml|json)", text
        ):
            assert (baked.path / file).exists(), file


def test_grafana_is_provisioned_with_the_dashboards(baked: BakedProject) -> None:
    """compose.yaml has the two files, and the page shows the same files for another Grafana."""
    compose, page = baked.yaml("compose.yaml"), baked.read("docs/metrics.md")
    shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    configs = [
        (entry["source"], entry["target"]) for entry in compose["services"]["grafana"]["configs"]
    ]
    assert [yaml.safe_load(compose["configs"][name]["content"]) for name, _ in configs] == shown
    assert all(f"# {target}\n" in page for _, target in configs)
    (source,), (provider,) = shown[0]["datasources"], shown[1]["providers"]
    scraped = baked.yaml("monitoring/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    assert source["jsonData"]["timeInterval"] == scraped, (
        "the rate interval of the panels is four times the scrape interval"
    )
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    for name in BOARDS:
        verbatim = (GRAFANA / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
        assert baked.read(f"monitoring/grafana/dashboards/{name}.json") == verbatim
