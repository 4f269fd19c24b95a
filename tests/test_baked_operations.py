"""Alerts of a baked project: rules by promtool, routes by amtool, and, slow, the whole way by the real servers."""

import json
import re
import runpy
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import LIBRARY, ROOT, UNBAKED, BakedProject
from test_baked_life import Project, environment, free_port, get, post, project, readme_request, wait_for_version

__all__ = ["environment", "project"]  # fixtures
PROMETHEUS = UNBAKED / "monitoring" / "prometheus"
ROUTES = "monitoring/alertmanager/alertmanager.yml"
FILLED = ROOT / "tests" / "filled"  # invented, and says so
FILES = sorted(path.name for path in PROMETHEUS.glob("*.rules.yml"))
GROUPS = [group for name in FILES for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARDS = [f"monitoring/grafana/dashboards/{name}.json" for name in ("model", "service", "value-and-adoption")]
TESTS = sorted(PROMETHEUS.glob("*.test.yml"))
NOT_MISSED = {  # by MetricsAbsent, and why
    "ml_model_info": "NoModelAnswers",
    "ml_active_reviewers": "under five people it is not told",
    **dict.fromkeys(
        (
            "ml_active_users_limit_ratio",
            "ml_bypass_limit_ratio",
            "ml_governance_due_timestamp_seconds",
            "ml_intended_users",
            "ml_model_age_limit_seconds",
            "ml_model_data_age_limit_seconds",
            "ml_run_cost",
            "ml_value_target",
        ),
        "a constant that nobody may have said; it stands in the file of ml_override_limit_ratio",
    ),
}
CONSTANTS = {name for name, why in NOT_MISSED.items() if why.startswith("a constant")} | {"ml_override_limit_ratio"}
PROJECTS = [path for path in TESTS if path.name.startswith("projects.")]
ABSENT = [path for path in TESTS if path.name.startswith("absent.")]
LOOKED_AT = {  # by the runbooks alone
    "ml_calibration_outcomes_total",
    "ml_calibration_scores_total",
    "ml_events",
    "ml_outcomes_received_total",
    "ml_predictions_stored_total",
    "ml_slice_value_total",
    "ml_rollback_unsaved",
}
needs_prometheus = pytest.mark.skipif(
    not all(map(shutil.which, ("promtool", "amtool", "prometheus", "prometheus-alertmanager"))),
    reason="Prometheus and Alertmanager are not on this machine; .ci/run installs both",
)


def tool(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_prometheus
def test_promtool_finds_nothing_in_rules_and_configuration() -> None:
    tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", *FILES, cwd=PROMETHEUS)
    tool("promtool", "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml", cwd=PROMETHEUS)


@needs_prometheus
@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.name)
def test_each_alert_fires_and_is_silent_where_it_must(file: Path) -> None:
    tool("promtool", "test", "rules", file.name, cwd=PROMETHEUS)


def labeled(series: str, label: str, value: str) -> str:
    name, _, matchers = series.partition("{")
    return f'{name}{{{label}="{value}"' + (f", {matchers}" if matchers else "}")


def scenarios_at_once(file: Path, label: str) -> Iterator[dict[str, Any]]:
    """The tests of a file as tests of one Prometheus that scrapes them all, each under a value of `label` of its own.

    Constants of governance/ carry the system alone, so tests are put together whose constants are the same.
    """
    together: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    for number, test in enumerate(yaml.safe_load(file.read_text())["tests"]):
        if not any('job="ml-service"' in each["series"] for each in test["input_series"]) and file in ABSENT:
            continue  # nothing at all is scraped, which cannot be beside others
        constants = [f"{each['series']} {each['values']}" for each in test["input_series"] if constant(each["series"])]
        key = (test["interval"], *(sorted(constants) if label != "system" else ()))
        together.setdefault(key, []).append((f"p{number}", test))
    for (interval, *_), tests in together.items():
        series = {
            each["series"] if constant(each["series"]) and label != "system" else labeled(each["series"], label, name):
            each["values"]
            for name, test in tests
            for each in test["input_series"]
        }  # fmt: skip
        yield {
            "interval": interval,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"count(ALERTS{{alertstate='firing', alertname='{case['alertname']}', {label}='{name}'}}) "
                    "or vector(0)",
                    "eval_time": case["eval_time"],
                    "exp_samples": [{"labels": "{}", "value": len(case["exp_alerts"])}],
                }
                for name, test in tests
                for case in test.get("alert_rule_test", [])
                if label == "system" or case["alertname"] != "GovernanceOverdue"  # whose series are constants
            ],
        }


def constant(series: str) -> bool:
    return series.partition("{")[0] in CONSTANTS


@needs_prometheus
@pytest.mark.parametrize("label", ["system", "environment", "namespace"])
@pytest.mark.parametrize("file", [path for path in TESTS if path not in PROJECTS], ids=lambda path: path.name)
def test_each_alert_fires_alike_beside_all_the_others_on_one_prometheus(file: Path, label: str, tmp_path: Path) -> None:
    """Every scenario is a project, or an environment, of one Prometheus: nothing is added up across them."""
    for name in FILES:
        shutil.copy(PROMETHEUS / name, tmp_path)
    tests = list(scenarios_at_once(file, label))
    assert any(len(test["input_series"]) > 8 for test in tests)
    (tmp_path / "at-once.yml").write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"tests": tests}))
    tool("promtool", "test", "rules", "at-once.yml", cwd=tmp_path)


def test_every_rule_keeps_systems_and_environments_apart() -> None:
    """An aggregation or a match that names no system would add up or compare what belongs to different projects."""
    for rule in RULES:
        text = re.sub(r"#.*", "", rule["expr"])
        name = rule.get("alert") or rule["record"]
        lists = re.findall(r"\b(by|on|ignoring|without) \(([^)]*)\)", text)
        for word, labels in lists:
            assert word in ("by", "on"), name
            if (name, labels) != ("NothingAnswers", ""):
                assert labels == "system" or labels.startswith("system, environment, namespace"), f"{name}: {labels}"
        aggregations = re.findall(r"(?<![:\w])(?:sum|max|min|avg|count|topk|group|quantile|stddev)\b(?! by )", text)
        assert not aggregations, name
        assert "vector(" not in text or name.startswith("ml_"), f"{name}: a constant of no project"


def test_prometheus_loads_every_file_of_rules() -> None:
    assert yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"] == FILES
    assert sum("alert" in rule for rule in RULES) == len(ALERTS), "an alert has one name"


def test_each_alert_is_shown_firing_and_silent() -> None:
    shown = [
        (case["alertname"], bool(case["exp_alerts"]))
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    for alert in ALERTS:
        assert {(alert, True), (alert, False)} <= set(shown), alert


@needs_prometheus
@pytest.mark.parametrize(
    ("rules", "before", "after", "test", "alert"),
    [
        ("service", "ml_store_up == 0", "ml_store_up == 2", "service.rules", "DatabaseAway"),
        ("model", "ml:field_ks:24h > 0.05", "ml:field_ks:24h > 0.03", "model.rules", "FieldDrifts"),
        (
            "model",
            "and on (system, environment, namespace, reference) ml:reference_hours:24h",
            "or ml:reference_hours:24h",
            "model.rules",
            "FieldDrifts",
        ),
        (
            "value",
            "and ml:value_month_before:7d < on (system) group_left () ml_value_target",
            "",
            "value.rules",
            "ValueBelowTarget",
        ),
    ],
)
def test_promtool_notices_when_a_limit_changes(
    tmp_path: Path, rules: str, before: str, after: str, test: str, alert: str
) -> None:
    """What would pass whatever the rules say would prove nothing."""
    for path in PROMETHEUS.glob("*.yml"):
        shutil.copy(path, tmp_path)
    changed = tmp_path / f"{rules}.rules.yml"
    assert changed.read_text().count(before) == 1
    changed.write_text(changed.read_text().replace(before, after))
    command = ["promtool", "test", "rules", f"{test}.test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert alert in done.stdout + done.stderr


def test_each_alert_says_how_urgent_it_is_whose_it_is_and_what_to_do(baked: BakedProject) -> None:
    outcomes = {outcome["id"] for outcome in baked.yaml("governance/ownership.yaml")["outcomes"]}
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("page", "ticket", "info"), name
        assert rule["labels"]["outcome"] in outcomes, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == name.lower()
        section = sections(baked.path / page)[name]
        for part in ("Meaning", "Affected", "First look", "Stop the harm", "Cause"):
            assert section.count(f"\n**{part}.**") == 1, f"{name}: {part}"
        assert f"[{name}](runbooks/{Path(page).name}#{anchor})" in baked.read("docs/alerts.md")
    pages = [sections(path) for path in baked.path.glob("docs/runbooks/*.md")]
    assert sorted(alert for page in pages for alert in page) == sorted(ALERTS), "each alert stands on one page, once"


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of a runbook: an alert's name, so an anchor that a rule can name."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", ["docs/alerts.md", "docs/dashboards.md", *DASHBOARDS])
def test_every_runbook_that_is_named_anywhere_is_there(baked: BakedProject, name: str) -> None:
    named = re.findall(r"runbooks/(\w+\.md)(?:#(\w+))?", baked.read(name))
    assert named or name == "docs/dashboards.md" or name.endswith("model.json")
    for page, anchor in named:
        alerts = {alert.lower() for alert in sections(baked.path / "docs" / "runbooks" / page)}
        assert not anchor or anchor in alerts, f"{name}: {page}#{anchor}"


def test_the_commands_of_the_runbooks_exist(baked: BakedProject) -> None:
    targets = set(re.findall(r"^([a-z-]+):", baked.read("Makefile"), re.MULTILINE))
    for path in [*baked.path.glob("docs/runbooks/*.md"), baked.path / "docs" / "alerts.md"]:
        typed = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
        assert typed <= targets, path.name
        for named in re.findall(r"ml_[a-z0-9_]*[a-z0-9]\b", path.read_text()):
            assert any(named in metric or metric.startswith(named) for metric in needed() | LOOKED_AT), named


def queries_of_the_runbooks() -> dict[str, str]:
    pages = sorted((UNBAKED / "docs" / "runbooks").glob("*.md"))
    asked = re.compile(r"(?:promtool query instant \S+ '|'query=)([^'\n]+)'")
    return {query: page.stem for page in pages for query in asked.findall(page.read_text(encoding="utf-8"))}


def test_the_library_names_the_runbook_that_the_rule_names() -> None:
    runbook = runpy.run_path(str(LIBRARY / "monitoring" / "runbooks.py"))["runbook"]
    assert {name: runbook(name) for name in ALERTS} == {
        name: rule["annotations"]["runbook_url"] for name, rule in ALERTS.items()
    }


@needs_prometheus
def test_what_a_runbook_asks_prometheus_is_asked_of_each_system_and_environment(tmp_path: Path) -> None:
    queries = queries_of_the_runbooks()
    assert len(queries) > 20
    for query, page in queries.items():
        assert not re.search(r"(?<![:\w])(?:sum|max|min|avg|count)\b(?! by \(system, environment)", query), page
        assert all("system, environment" in labels for labels in re.findall(r"\bon \(([^)]*)\)", query)), page
    rules = [{"record": "asked", "expr": query, "labels": {"page": page}} for query, page in queries.items()]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    tool("promtool", "check", "rules", "asked.yml", cwd=tmp_path)


def needed() -> set[str]:
    """The metrics that recording rules and alerts read."""
    return {name for rule in RULES for name in re.findall(r"\bml_[a-z0-9_]+", rule["expr"])}


def test_each_metric_that_an_alert_needs_is_missed_when_it_is_absent() -> None:
    missed = set(re.findall(r'"metric", "(ml_\w+)"', ALERTS["MetricsAbsent"]["expr"]))
    assert missed.isdisjoint(NOT_MISSED)
    assert missed | set(NOT_MISSED) == needed()
    assert "unless on (system, environment, namespace, instance) ml_model_info" in ALERTS["NoModelAnswers"]["expr"]


def test_what_governance_says_is_what_the_rules_compare_with(baked: BakedProject) -> None:
    made = yaml.safe_load(baked.read("monitoring/prometheus/governance.rules.yml"))["groups"][0]["rules"]
    gates = baked.yaml("governance/gates.yaml")
    assert {rule["record"]: float(rule["expr"][len("vector(") : -1]) for rule in made} == {
        "ml_override_limit_ratio": gates["people"]["override_stop"],
        "ml_bypass_limit_ratio": gates["people"]["bypass"],
        "ml_active_users_limit_ratio": gates["people"]["active_users"],
        "ml_model_age_limit_seconds": gates["watch"]["model_days"] * 24 * 60 * 60,
    }


@needs_prometheus
def test_each_outcome_is_routed_to_who_is_accountable(baked: BakedProject) -> None:
    tool("amtool", "check-config", ROUTES, cwd=baked.path)
    ownership = baked.yaml("governance/ownership.yaml")
    known = {person["id"] for person in ownership["people"] if person["name"] != "TODO"}
    mails = {
        receiver["name"]: [mail["to"] for mail in receiver.get("email_configs", [])]
        for receiver in baked.yaml(ROUTES)["receivers"]
    }
    (shown,) = (receiver for receiver in baked.yaml(ROUTES)["receivers"] if receiver["name"] == "shown")
    assert shown == {"name": "shown"}, "information is sent to nobody"
    for outcome in ownership["outcomes"]:
        who = outcome["accountable"]
        receiver = f"person/{who}" if who in known else "fallback"
        for severity in ("page", "ticket"):
            routed(baked.path, receiver, outcome["id"], severity)
        routed(baked.path, "shown", outcome["id"], "info")
        if who in known:
            assert mails[receiver] == [person["email"] for person in ownership["people"] if person["id"] == who]


def fill_in(project: Project) -> None:
    """The governance files of an invented organisation, in which everybody has just accepted."""
    today = date.today()
    for file in FILLED.glob("*.yaml"):  # an acceptance is asked for again each quarter
        text = file.read_text().replace("THIS-DAY", str(today)).replace("NEXT-REVIEW", str(today + timedelta(days=90)))
        (project.path / "governance" / file.name).write_text(text)


def routed(folder: Path, receivers: str, outcome: str, severity: str) -> None:
    verify = f"--verify.receivers={receivers}"
    labels = (f"outcome={outcome}", f"severity={severity}")
    tool("amtool", "config", "routes", "test", f"--config.file={ROUTES}", verify, *labels, cwd=folder)


@contextmanager
def running(*command: object, ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server of our own on loopback, up until the block ends."""
    with log.open("w") as said:
        process = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
    try:
        eventually(lambda: answers(ready), f"{command[0]} is up: {log}")
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wait_until_ready(project: Project) -> None:
    """By the second port: a request that is refused before a model answers counts among the failed ones."""
    eventually(lambda: answers(f"http://127.0.0.1:{project.operations}/readyz"), "the service is ready")


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
            return True
    except OSError:
        return False


def eventually(holds: Callable[[], Any], what: str, found: Callable[[], Any] = str, seconds: float = 60) -> None:
    """Wait until something holds; `found` tells what there was instead."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}; {found()}"
        time.sleep(0.2)


@contextmanager
def alertmanager(configuration: Path, folder: Path) -> Iterator[str]:
    folder.mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = (f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", f"--storage.path={folder}")
    server = ("prometheus-alertmanager", f"--config.file={configuration}", *where)
    with running(*server, ready=f"{address}/-/ready", log=folder / "log"):
        yield address


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What Alertmanager sends arrives in the list."""
    arrived: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", arrived
    finally:
        server.shutdown()
        server.server_close()


def reached(arrived: list[dict[str, Any]], alert: str) -> set[str]:
    """The receivers under whose name an alert arrived."""
    return {
        told["receiver"]
        for told in arrived
        for each in told["alerts"]
        if each["labels"]["alertname"] == alert and each["status"] == "firing"
    }


@needs_prometheus
@pytest.mark.slow
def test_what_goes_wrong_reaches_who_answers_for_it(project: Project, tmp_path: Path) -> None:
    """The service, Prometheus and Alertmanager for real. Copies of the rules and routes with seconds for minutes."""
    with webhook() as (hook, arrived):
        fill_in(project)
        ownership = project.path / "governance" / "ownership.yaml"
        ownership.write_text(f'{ownership.read_text()}alerting: {{webhook: "{hook}"}}\n')
        project.makes("generate")
        tool("amtool", "check-config", ROUTES, cwd=project.path)
        routed(project.path, "person/author,team/fraud-team,person/model_owner", "model_quality", "page")
        routed(project.path, "team/fraud-team,person/model_owner", "model_quality", "ticket")
        routed(project.path, "person/adoption_owner", "adoption", "page")
        project.makes("baseline")
        project.makes("promote", WHY="something must answer")

        quick = tmp_path / "alertmanager.yml"
        quick.write_text(re.sub(r'(group_wait|group_interval): "\w+"', r'\1: "1s"', project.baked.read(ROUTES)))
        with alertmanager(quick, tmp_path / "alertmanager") as manager, project.serving() as address:
            wait_until_ready(project)
            wait_for_version(address, "1")
            row = readme_request(project)
            with prometheus(project, manager, tmp_path / "prometheus") as prom:
                eventually(lambda: sample(prom, 'up{job="ml-service"} == 1'), "the service is scraped")
                for _ in range(40):  # of fewer than 50 rows nobody says what is missing in them
                    post(f"{address}/v1/predict", [row])
                    time.sleep(0.3)
                rules = [rule for group in get(f"{prom}/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
                assert {rule["health"] for rule in rules} == {"ok"}
                assert sample(prom, "ml:requests_failed:ratio_rate5m") == ["0"]
                assert get(f"{prom}/api/v1/alerts")["data"]["alerts"] == [], "a quiet stretch is silent"
                assert arrived == []

                def arrives(alert: str, receiver: str) -> None:
                    known = lambda: (arrived, get(f"{prom}/api/v1/alerts"), get(f"{manager}/api/v2/alerts"))  # noqa: E731
                    eventually(lambda: reached(arrived, alert), alert, known)
                    assert reached(arrived, alert) == {receiver}, "it reaches nobody else"

                def refused() -> list[str]:
                    """The follower may mend the pointer before the service looks at it."""
                    (project.path / "var" / "models" / "champion.json").write_text("no pointer")
                    return sample(prom, 'ml_model_load_failures_total{reason="pointer"} > 0')

                eventually(refused, "the pointer is refused")
                arrives("ModelLoadFailed", "person/model_owner")
                assert project.service
                project.service.kill()
                arrives("NothingAnswers", "person/platform_owner")

            drilled = project.makes("alert-drill", f"URL={manager}", "HOLD=5")
            assert "passed alert-reaches-owner: 14 alerts routed" in drilled
            people = {"value_owner", "adoption_owner", "model_owner", "author", "data_owner", "platform_owner"}
            assert reached(arrived, "AlertDrill") == {f"person/{who}" for who in people}
            assert not [a for a in get(f"{manager}/api/v2/alerts") if a["labels"]["alertname"] == "AlertDrill"]

            ownership.write_text(ownership.read_text().replace("dee@example.org", "eve@example.org"))
            stale = project.make("alert-drill", f"URL={manager}", "HOLD=0")
            assert stale.returncode != 0, "Alertmanager has not loaded the new routes"
            assert "WRONG serving, page: does not reach Dee Invented <eve@example.org>" in stale.stdout


@needs_prometheus
@pytest.mark.slow
def test_two_prometheus_agree_about_a_series_that_somebody_else_saw_first(project: Project, tmp_path: Path) -> None:
    """What is born late counts from 0 for both, although a person looked first and one of them came later."""
    project.environment["ML_NEW_SERIES_SECONDS"] = "90"  # in which a busy machine starts the other one
    project.makes("baseline")
    project.makes("promote", WHY="something must answer")
    nobody = f"http://127.0.0.1:{free_port()}"
    with project.serving() as address:
        wait_until_ready(project)
        row = readme_request(project)
        with prometheus(project, nobody, tmp_path / "one") as one:
            eventually(lambda: sample(one, 'up{job="ml-service"} == 1'), "it is scraped")
            post(f"{address}/v1/predict", [row] * 7)
            for _ in range(3):
                with pytest.raises(urllib.error.HTTPError, match="422"):
                    post(f"{address}/v1/predict", [row | {"amount": -1}])
            get_text(f"http://127.0.0.1:{project.operations}/metrics")
            with prometheus(project, nobody, tmp_path / "other") as other:
                post(f"{address}/v1/predict", [row] * 5)
                for series, expected in (
                    ("ml_predictions_total", 12),
                    ("ml_contract_violations_total", 3),
                    ('ml_field_bucket_total{field="amount", le="+Inf"}', 12),
                ):
                    increase = f"sum(max_over_time({series}[10m]) - min_over_time({series}[10m]))"
                    for prom in (one, other):
                        eventually(
                            lambda asked=increase, prom=prom, count=expected: sample(prom, asked) == [str(count)],
                            f"{series} rises by {expected}",
                            lambda asked=series: (sample(one, asked), sample(other, asked)),
                            seconds=240,
                        )


def get_text(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - our own address
        return str(response.read().decode())


def sample(prometheus: str, expression: str) -> list[str]:
    found = get(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return [result["value"][1] for result in found["data"]["result"]]


@contextmanager
def prometheus(project: Project, manager: str, folder: Path) -> Iterator[str]:
    """Prometheus by the baked configuration, with other addresses, every second. Each `for` is ten seconds,
    longer than the first scrape takes to come."""
    folder.mkdir()
    told = project.baked.read("monitoring/prometheus/prometheus.yml")
    for before, after in (
        ("127.0.0.1:9093", manager.removeprefix("http://")),
        ("127.0.0.1:8001", f"127.0.0.1:{project.operations}"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ):
        assert told.count(before) == 1, before
        told = told.replace(before, after)
    (folder / "prometheus.yml").write_text(told)
    for name in FILES:
        rules = project.baked.read(f"monitoring/prometheus/{name}")
        rules = re.sub(r"for: \d+[mhd]$", "for: 10s", rules, flags=re.MULTILINE)
        (folder / name).write_text(rules.replace("interval: 2m", "interval: 1s"))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = (f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'tsdb'}")
    server = ("prometheus", f"--config.file={folder / 'prometheus.yml'}", *where)
    with running(*server, ready=f"{address}/-/ready", log=folder / "log"):
        yield address
