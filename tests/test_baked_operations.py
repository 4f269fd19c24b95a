"""Alerts of a baked project: rules by promtool, routes by amtool.

The slow tests run the complete path with the real servers.
"""

import json
import re
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
from conftest import ASSETS, ROOT, BakedProject, make_targets
from test_baked_life import (
    Project,
    environment,
    free_port,
    get,
    post,
    project,
    readme_request,
    wait_for_version,
)

__all__ = ["environment", "project"]  # fixtures
PROMETHEUS = ASSETS / "monitoring" / "prometheus"
ROUTES = "monitoring/alertmanager/alertmanager.yml"
# Governance files of an invented organization.
FILLED = ROOT / "tests" / "filled"
FILES = sorted(path.name for path in PROMETHEUS.glob("*.rules.yml"))
GROUPS = [
    group for name in FILES for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARDS = [
    f"monitoring/grafana/dashboards/{name}.json"
    for name in ("model", "service", "value-and-adoption")
]
# Metrics that only the runbooks use.
RUNBOOK_METRICS = {
    "ml_calibration_outcomes_total",
    "ml_calibration_scores_total",
    "ml_events",
    "ml_outcomes_received_total",
    "ml_predictions_stored_total",
    "ml_slice_payoff_total",
    "ml_rollback_unsaved",
}
needs_prometheus = pytest.mark.skipif(
    not all(map(shutil.which, ("promtool", "amtool", "prometheus", "prometheus-alertmanager"))),
    reason="Prometheus and Alertmanager are not installed; .ci/run installs both",
)


def tool(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_prometheus
def test_promtool_accepts_rules_and_configuration(baked: BakedProject, tmp_path: Path) -> None:
    """Also for the example of the project's own rules, which Prometheus loads as well."""
    folder = shutil.copytree(baked.path / "monitoring" / "prometheus", tmp_path / "prometheus")
    mine = folder / "project.rules.yml"
    check = ("promtool", "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert "project.rules.yml" in tool(*check, cwd=folder)
    mine.write_text(
        "\n".join(line.removeprefix("# ") for line in mine.read_text().split("#\n")[1].splitlines())
    )
    assert re.search(r"project.rules.yml\n *SUCCESS: 1 rules found", tool(*check, cwd=folder))


def test_prometheus_loads_every_file_of_rules(baked: BakedProject) -> None:
    (pattern,) = baked.yaml("monitoring/prometheus/prometheus.yml")["rule_files"]
    loaded = {path.name for path in (baked.path / "monitoring" / "prometheus").glob(pattern)}
    assert loaded == {*FILES, "governance.rules.yml", "project.rules.yml"}


def test_each_alert_has_severity_owner_and_runbook(baked: BakedProject) -> None:
    outcomes = {outcome["id"] for outcome in baked.yaml("governance/ownership.yaml")["outcomes"]}
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("page", "ticket", "info"), name
        assert rule["labels"]["outcome"] in outcomes, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert name in sections(baked.path / page)
        assert f"[{name}](runbooks/{Path(page).name}#{anchor})" in baked.read("docs/alerts.md")


def sections(page: Path) -> dict[str, str]:
    """Return the text below each heading of a runbook; a heading is the name of an alert."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", ["docs/alerts.md", "docs/metrics.md", *DASHBOARDS])
def test_every_named_runbook_exists(baked: BakedProject, name: str) -> None:
    named = re.findall(r"runbooks/(\w+\.md)(?:#(\w+))?", baked.read(name))
    assert named or name == "docs/metrics.md" or name.endswith("model.json")
    for page, anchor in named:
        alerts = {alert.lower() for alert in sections(baked.path / "docs" / "runbooks" / page)}
        assert not anchor or anchor in alerts, f"{name}: {page}#{anchor}"


def test_the_commands_of_the_runbooks_exist(baked: BakedProject) -> None:
    targets = make_targets(baked.read("Makefile")).keys()
    for path in [*baked.path.glob("docs/runbooks/*.md"), baked.path / "docs" / "alerts.md"]:
        typed = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
        assert typed <= targets, path.name
        for named in re.findall(r"ml_[a-z0-9_]*[a-z0-9]\b", path.read_text()):
            assert any(
                named in metric or metric.startswith(named) for metric in needed() | RUNBOOK_METRICS
            ), named


def needed() -> set[str]:
    """Return the metrics that recording rules and alerts read."""
    return {name for rule in RULES for name in re.findall(r"\bml_[a-z0-9_]+", rule["expr"])}


def test_thresholds_of_governance_are_those_of_the_rules(baked: BakedProject) -> None:
    made = yaml.safe_load(baked.read("monitoring/prometheus/governance.rules.yml"))["groups"][0][
        "rules"
    ]
    gates = baked.yaml("governance/gates.yaml")
    assert {rule["record"]: float(rule["expr"][len("vector(") : -1]) for rule in made} == {
        "ml_override_limit_ratio": gates["people"]["override_stop"],
        "ml_bypass_limit_ratio": gates["people"]["bypass"],
        "ml_active_users_limit_ratio": gates["people"]["active_users"],
        "ml_model_age_limit_seconds": gates["watch"]["model_days"] * 24 * 60 * 60,
    }


@needs_prometheus
def test_each_responsibility_is_routed_to_its_accountable_person(baked: BakedProject) -> None:
    tool("amtool", "check-config", ROUTES, cwd=baked.path)
    ownership = baked.yaml("governance/ownership.yaml")
    known = {person["id"] for person in ownership["people"] if person["name"] != "TODO"}
    mails = {
        receiver["name"]: [mail["to"] for mail in receiver.get("email_configs", [])]
        for receiver in baked.yaml(ROUTES)["receivers"]
    }
    (shown,) = (
        receiver for receiver in baked.yaml(ROUTES)["receivers"] if receiver["name"] == "shown"
    )
    assert shown == {"name": "shown"}, "the receiver of information must send no message"
    for outcome in ownership["outcomes"]:
        who = outcome["accountable"]
        receiver = f"person/{who}" if who in known else "fallback"
        for severity in ("page", "ticket"):
            routed(baked.path, receiver, outcome["id"], severity)
        routed(baked.path, "shown", outcome["id"], "info")
        if who in known:
            assert mails[receiver] == [
                person["email"] for person in ownership["people"] if person["id"] == who
            ]


def fill_in(project: Project) -> None:
    """Write the governance files of an invented organization with acceptances of today."""
    today = date.today()
    # An acceptance is due again each quarter.
    for file in FILLED.glob("*.yaml"):
        text = (
            file.read_text()
            .replace("THIS-DAY", str(today))
            .replace("NEXT-REVIEW", str(today + timedelta(days=90)))
        )
        (project.path / "governance" / file.name).write_text(text)


def routed(folder: Path, receivers: str, outcome: str, severity: str) -> None:
    verify = f"--verify.receivers={receivers}"
    labels = (f"outcome={outcome}", f"severity={severity}")
    tool(
        "amtool", "config", "routes", "test", f"--config.file={ROUTES}", verify, *labels, cwd=folder
    )


@contextmanager
def running(*command: object, ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on loopback until the block ends."""
    with log.open("w") as message:
        process = subprocess.Popen([str(part) for part in command], stdout=message, stderr=message)
    try:
        eventually(lambda: is_up(ready), f"{command[0]} is up: {log}")
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wait_until_ready(project: Project) -> None:
    """Wait for readiness on the admin port.

    A request without a loaded model would count as failed.
    """
    eventually(
        lambda: is_up(f"http://127.0.0.1:{project.operations}/readyz"), "the service is ready"
    )


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


def eventually(
    holds: Callable[[], Any], what: str, state: Callable[[], Any] = str, seconds: float = 60
) -> None:
    """Wait until `holds` returns a true value; after a timeout, report `state`."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, (
            f"the condition was not met within {seconds:g} s: {what}; state: {state()}"
        )
        time.sleep(0.2)


@contextmanager
def alertmanager(configuration: Path, folder: Path) -> Iterator[str]:
    folder.mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = (
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        f"--storage.path={folder}",
    )
    server = ("prometheus-alertmanager", f"--config.file={configuration}", *where)
    with running(*server, ready=f"{address}/-/ready", log=folder / "log"):
        yield address


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a webhook; yields its address and the list of the notifications."""
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
    """Return the receivers of the notifications of an alert."""
    return {
        received["receiver"]
        for received in arrived
        for item in received["alerts"]
        if item["labels"]["alertname"] == alert and item["status"] == "firing"
    }


@needs_prometheus
@pytest.mark.slow
def test_each_fault_alerts_the_accountable_person(project: Project, tmp_path: Path) -> None:
    """Run the service, Prometheus and Alertmanager.

    The copies of the rules and routes have seconds instead of minutes.
    """
    with webhook() as (hook, arrived):
        fill_in(project)
        ownership = project.path / "governance" / "ownership.yaml"
        ownership.write_text(f'{ownership.read_text()}alerting: {{webhook: "{hook}"}}\n')
        project.makes("generate")
        tool("amtool", "check-config", ROUTES, cwd=project.path)
        routed(
            project.path,
            "person/author,team/fraud-team,person/model_owner",
            "model_quality",
            "page",
        )
        routed(project.path, "team/fraud-team,person/model_owner", "model_quality", "ticket")
        routed(project.path, "person/adoption_owner", "adoption", "page")
        project.makes("baseline")
        project.makes("promote", REASON="the service needs a model")

        quick = tmp_path / "alertmanager.yml"
        quick.write_text(
            re.sub(r'(group_wait|group_interval): "\w+"', r'\1: "1s"', project.baked.read(ROUTES))
        )
        with (
            alertmanager(quick, tmp_path / "alertmanager") as manager,
            project.serving() as address,
        ):
            wait_until_ready(project)
            wait_for_version(address, "1")
            row = readme_request(project)
            with prometheus(project, manager, tmp_path / "prometheus") as prom:
                eventually(
                    lambda: sample(prom, 'up{job="ml-service"} == 1'), "the service is scraped"
                )
                # With fewer than 50 rows, there is no rate of missing values.
                for _ in range(40):
                    post(f"{address}/v1/predict", [row])
                    time.sleep(0.3)
                rules = [
                    rule
                    for group in get(f"{prom}/api/v1/rules")["data"]["groups"]
                    for rule in group["rules"]
                ]
                assert {rule["health"] for rule in rules} == {"ok"}
                assert sample(prom, "ml:requests_failed:ratio_rate5m") == ["0"]
                assert get(f"{prom}/api/v1/alerts")["data"]["alerts"] == [], (
                    "no alert must fire without a fault"
                )
                assert arrived == []

                def arrives(alert: str, receiver: str) -> None:
                    def known() -> tuple[Any, ...]:
                        alerts = get(f"{prom}/api/v1/alerts"), get(f"{manager}/api/v2/alerts")
                        return (arrived, *alerts)

                    eventually(lambda: reached(arrived, alert), alert, known)
                    assert reached(arrived, alert) == {receiver}, (
                        "the alert reached another receiver"
                    )

                def refused() -> list[str]:
                    """Break the pointer; the follower may repair it before the service reads it."""
                    (project.path / "var" / "models" / "champion.json").write_text("no pointer")
                    return sample(prom, 'ml_model_load_failures_total{reason="pointer"} > 0')

                eventually(refused, "the service rejects the pointer")
                arrives("ModelLoadFailed", "person/model_owner")
                assert project.service
                project.service.kill()
                arrives("ServiceDown", "person/platform_owner")

            drilled = project.makes("alert-drill", f"URL={manager}", "DURATION=5")
            assert "passed alert-reaches-owner: 14 alerts routed" in drilled
            people = {
                "value_owner",
                "adoption_owner",
                "model_owner",
                "author",
                "data_owner",
                "platform_owner",
            }
            assert reached(arrived, "AlertDrill") == {f"person/{who}" for who in people}
            assert not [
                a
                for a in get(f"{manager}/api/v2/alerts")
                if a["labels"]["alertname"] == "AlertDrill"
            ]

            ownership.write_text(
                ownership.read_text().replace("dee@example.org", "eve@example.org")
            )
            stale = project.make("alert-drill", f"URL={manager}", "DURATION=0")
            assert stale.returncode != 0, (
                "the drill must fail before Alertmanager loads the new routes"
            )
            assert (
                "FAILED serving, page: does not reach Dee Invented <eve@example.org>"
                in stale.stdout
            )


@pytest.mark.sampled("what takes five minutes")
@needs_prometheus
@pytest.mark.slow
def test_two_prometheus_servers_agree_on_a_series_that_a_person_read_first(
    project: Project, tmp_path: Path
) -> None:
    """A new series starts at 0 for both servers, even if a person requested /metrics before.

    One of the servers starts later than the other.
    """
    # A busy machine starts the other server within this time.
    project.environment["ML_NEW_SERIES_SECONDS"] = "90"
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    unused = f"http://127.0.0.1:{free_port()}"
    with project.serving() as address:
        wait_until_ready(project)
        row = readme_request(project)
        with prometheus(project, unused, tmp_path / "one") as one:
            eventually(lambda: sample(one, 'up{job="ml-service"} == 1'), "it is scraped")
            post(f"{address}/v1/predict", [row] * 7)
            for _ in range(3):
                with pytest.raises(urllib.error.HTTPError, match="422"):
                    post(f"{address}/v1/predict", [row | {"amount": -1}])
            get_text(f"http://127.0.0.1:{project.operations}/metrics")
            with prometheus(project, unused, tmp_path / "other") as other:
                post(f"{address}/v1/predict", [row] * 5)
                for series, expected in (
                    ("ml_predictions_total", 12),
                    ("ml_contract_violations_total", 3),
                    ('ml_feature_bucket_total{field="amount", le="+Inf"}', 12),
                ):
                    increase = f"sum(max_over_time({series}[10m]) - min_over_time({series}[10m]))"
                    for prom in (one, other):
                        eventually(
                            lambda requested=increase, prom=prom, count=expected: (
                                sample(prom, requested) == [str(count)]
                            ),
                            f"{series} rises by {expected}",
                            lambda wanted=series: (sample(one, wanted), sample(other, wanted)),
                            seconds=240,
                        )


def get_text(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310
        return str(response.read().decode())


def sample(prometheus: str, expression: str) -> list[str]:
    matches = get(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return [result["value"][1] for result in matches["data"]["result"]]


@contextmanager
def prometheus(project: Project, manager: str, folder: Path) -> Iterator[str]:
    """Run Prometheus with the baked configuration, other addresses and an interval of a second.

    Each `for` is ten seconds, longer than the time until the first scrape.
    """
    folder.mkdir()
    received = project.baked.read("monitoring/prometheus/prometheus.yml")
    for before, after in (
        ("127.0.0.1:9093", manager.removeprefix("http://")),
        ("127.0.0.1:8001", f"127.0.0.1:{project.operations}"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ):
        assert received.count(before) == 1, before
        received = received.replace(before, after)
    (folder / "prometheus.yml").write_text(received)
    for name in (*FILES, "governance.rules.yml", "project.rules.yml"):
        rules = project.baked.read(f"monitoring/prometheus/{name}")
        rules = re.sub(r"for: \d+[mhd]$", "for: 10s", rules, flags=re.MULTILINE)
        (folder / name).write_text(rules.replace("interval: 2m", "interval: 1s"))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = (f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'tsdb'}")
    server = ("prometheus", f"--config.file={folder / 'prometheus.yml'}", *where)
    with running(*server, ready=f"{address}/-/ready", log=folder / "log"):
        yield address
