"""Monitoring of a service with the real servers.

Each fault alerts only the accountable person. Without a fault, no alert fires. Figures in PromQL
equal the records. The tests use copies of the rules in which a week is a minute.
"""

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from test_baked_life import Project, environment, free_port, get, project, wait_for_version
from test_baked_operations import (
    ROUTES,
    alertmanager,
    eventually,
    fill_in,
    needs_prometheus,
    reached,
    running,
    sample,
    wait_until_ready,
    webhook,
)
from traffic import ROWS, Traffic

__all__ = ["environment", "project"]  # fixtures
pytestmark = [pytest.mark.slow, needs_prometheus]
SECONDS = {
    "5m": 8,
    "10m": 8,
    "15m": 8,
    "30m": 10,
    "1h": 12,
    "2h": 15,
    "6h": 18,
    "24h": 40,
    "1d": 40,
    "3d": 50,
    "7d": 60,
}
HOURS = {"24h": 24, "1d": 24, "7d": 168}
# Longer than the time until the first scrape.
FOR = "10s"


def scaled(rules: str) -> str:
    """Return the rules with windows of seconds; expressions and minimum counts stay the same."""

    def window(result: re.Match[str]) -> str:
        length, step = result[2], result[3]
        stepped = f":{1000 * SECONDS[length] // HOURS[length]}ms" if step else ""
        return f"{result[1]}{SECONDS[length]}s{stepped}"

    rules = re.sub(r"(\[|offset )(\d+[mhd])(:1h)?(?![a-z0-9])", window, rules)
    rules = re.sub(r"^(\s+for:) \w+$", rf"\1 {FOR}", rules, flags=re.MULTILINE)
    return re.sub(r"^(\s+(?:interval|keep_firing_for):) \w+$", r"\1 1s", rules, flags=re.MULTILINE)


@contextmanager
def prometheus(project: Project, manager: str, folder: Path, *services: int) -> Iterator[str]:
    """Run Prometheus with the baked configuration, an interval of a second and scaled rules.

    `reloaded` reloads the rules.
    """
    folder.mkdir()
    received = yaml.safe_load(project.baked.read("monitoring/prometheus/prometheus.yml"))
    received["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    received["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
        manager.removeprefix("http://")
    ]
    (job,) = [job for job in received["scrape_configs"] if job["job_name"] == "ml-service"]
    job["static_configs"][0]["targets"] = [f"127.0.0.1:{port}" for port in services]
    received["scrape_configs"] = [job]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(received))
    scale_rules(project, folder)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = (f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'tsdb'}")
    server = ("prometheus", f"--config.file={folder / 'prometheus.yml'}", *where)
    with running(*server, ready=f"{address}/-/ready", log=folder / "log") as process:
        RELOAD[address] = (process, project, folder)
        yield address


RELOAD: dict[str, tuple[Any, Project, Path]] = {}


def scale_rules(project: Project, folder: Path) -> None:
    for path in (project.path / "monitoring" / "prometheus").glob("*.rules.yml"):
        (folder / path.name).write_text(scaled(path.read_text()))


def reloaded(address: str) -> None:
    """Reload the rules, as an operator does after `make generate`."""
    process, project, folder = RELOAD[address]
    scale_rules(project, folder)
    process.send_signal(signal.SIGHUP)


class Watch:
    """The firing alerts in Prometheus, and the receivers of their notifications."""

    def __init__(self, prometheus: str, arrived: list[dict[str, Any]]) -> None:
        # OverrideRateLow has no receiver.
        self.prometheus, self.arrived, self.known = prometheus, arrived, {"OverrideRateLow"}

    def firing(self) -> dict[str, list[str]]:
        result = defaultdict(list)
        for alert in get(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]:
            if alert["state"] == "firing":
                result[alert["labels"]["alertname"]].append(f"{alert['labels']} = {alert['value']}")
        return dict(result)

    def new(self) -> dict[str, list[str]]:
        return {name: message for name, message in self.firing().items() if name not in self.known}

    def silent(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.new() == {}
            time.sleep(0.5)
        assert {name for name in notified(self.arrived) if name not in self.known} == set()

    def only(self, *alerts: str, receiver: str, seconds: float = 150) -> None:
        """Assert that exactly these alerts fire and reach only this receiver."""
        eventually(lambda: set(self.new()) >= set(alerts), f"{alerts} fire", self.firing, seconds)
        for alert in alerts:
            eventually(
                lambda alert=alert: reached(self.arrived, alert),
                f"{alert} arrives",
                lambda: notified(self.arrived),
            )
            assert reached(self.arrived, alert) == {receiver}
        assert set(self.new()) == set(alerts)
        self.known |= set(alerts)


def notified(arrived: list[dict[str, Any]]) -> set[str]:
    return {item["labels"]["alertname"] for message in arrived for item in message["alerts"]}


def examples(project: Project) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of the first sixty days of the example with their labels."""
    package, python = project.package, project.python
    command = [python, "-c", ROWS.format(package=package)]
    done = subprocess.run(
        command, cwd=project.path, env=project.environment, capture_output=True, check=True
    )
    rows = json.loads(done.stdout)
    return rows, list(rows[0])[-1]


def governed(project: Project, prometheus: str, file: str, before: str, after: str) -> None:
    """Edit a file of governance/, generate the files and reload the rules."""
    path = project.path / "governance" / file
    assert path.read_text().count(before) == 1, (file, before)
    path.write_text(path.read_text().replace(before, after))
    project.makes("generate")
    reloaded(prometheus)


@pytest.fixture
def filled(project: Project) -> Project:
    """Return a project with people, a reachable target and a champion."""
    fill_in(project)
    problem = project.path / "governance" / "problem.yaml"
    problem.write_text(re.sub(r"payoff_a_month: \d+", "payoff_a_month: 1", problem.read_text()))
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    return project


@pytest.mark.sampled("what takes five minutes")
def test_each_fault_alerts_only_the_accountable_person(filled: Project, tmp_path: Path) -> None:
    project = filled
    with webhook() as (hook, arrived):
        ownership = project.path / "governance" / "ownership.yaml"
        ownership.write_text(f'{ownership.read_text()}alerting: {{webhook: "{hook}"}}\n')
        project.makes("generate")
        quick = tmp_path / "alertmanager.yml"
        quick.write_text(
            re.sub(r'(group_wait|group_interval): "\w+"', r'\1: "1s"', project.baked.read(ROUTES))
        )
        rows, label = examples(project)
        with (
            alertmanager(quick, tmp_path / "alertmanager") as manager,
            project.serving() as address,
        ):
            wait_until_ready(project)
            wait_for_version(address, "2")
            services = (project.operations,)
            with (
                prometheus(project, manager, tmp_path / "prometheus", *services) as prom,
                Traffic(address, rows, label) as traffic,
            ):
                watch = Watch(prom, arrived)
                watch.silent(150)
                assert float(sample(prom, "sum(ml:outcomes:increase7d)")[0]) > 1_000
                assert float(sample(prom, "max(ml:feature_ks:24h)")[0]) > 0

                traffic.changed = older_cards
                watch.only("FeatureDrift", receiver="person/model_owner")
                assert "card_age" in watch.firing()["FeatureDrift"][0]

                traffic.changed = lambda row: row | {"distance": None}
                watch.only("MissingValues", receiver="person/data_owner")
                assert "distance" in watch.firing()["MissingValues"][0]
                traffic.changed = unchanged

                traffic.verdict = lambda: "overridden"
                watch.only("OverrideRateHigh", receiver="person/adoption_owner")
                traffic.verdict = accepted

                governed(
                    project, prom, "problem.yaml", "payoff_a_month: 1", "payoff_a_month: 900000000"
                )
                watch.only("ValueBelowTarget", receiver="person/value_owner")

                made_old(project)
                watch.only("ModelStale", receiver="person/model_owner")

                traffic.truth = lambda outcome: 1 - outcome
                watch.only("QualityBelowTest", receiver="person/model_owner")

                assert project.service
                project.service.kill()
                watch.only("ServiceDown", receiver="person/platform_owner")


def unchanged(row: dict[str, Any]) -> dict[str, Any]:
    return row


def older_cards(row: dict[str, Any]) -> dict[str, Any]:
    """Shift card_age by a third of a standard deviation."""
    return row | {"card_age": row["card_age"] and min(3_999, row["card_age"] + 400)}


def accepted() -> str:
    return "accepted"


def made_old(project: Project) -> None:
    """Make the champion 100 days old and reload it."""
    pointer = project.path / "var" / "models" / "champion.json"
    message = json.loads(pointer.read_text())
    provenance = pointer.parent / "versions" / message["digest"] / "provenance.json"
    made = datetime.now(UTC) - timedelta(days=100)
    provenance.write_text(
        json.dumps(json.loads(provenance.read_text()) | {"created_at": made.isoformat()})
    )
    project.makes("rollback", REASON="to and fro")
    time.sleep(5)
    project.makes("promote", "VERSION=2", REASON="to and fro")


@pytest.mark.sampled("what takes five minutes")
def test_figures_in_prometheus_equal_the_records_after_a_restart_of_a_replica(
    filled: Project, tmp_path: Path
) -> None:
    project = filled
    rows, label = examples(project)
    beside = Project(project.baked, Path(project.environment["VENV"]))
    beside.environment = project.environment | {"ML_EVENT_LOG_DIR": "var/spool-2"}
    with webhook(), project.serving() as first, beside.serving("--no-follow") as second:
        for address in (first, second):
            wait_for_version(address, "2")
        services = (project.operations, beside.operations)
        with prometheus(project, "http://127.0.0.1:9", tmp_path / "prometheus", *services) as prom:
            eventually(lambda: sample(prom, 'sum(up{job="ml-service"}) == 2'), "both are scraped")
            with Traffic(first, rows, label) as one, Traffic(second, rows, label, "other") as two:
                two.changed = older_cards
                time.sleep(30)
            assert min(one.sent, two.sent) > 2_000
            settled(prom, project)
            assert_figures_equal_records(prom, project)

            received, mine = (
                "sum(ml_outcomes_total)",
                f'{{instance="127.0.0.1:{project.operations}"}}',
            )
            everything, lost = (
                float(sample(prom, query)[0])
                for query in (received, f"sum(ml_outcomes_total{mine})")
            )
            assert lost > 0, "both replicas must have outcomes"
            assert project.service
            project.service.terminate()
            project.service.wait(20)
            with project.serving(again=True) as again:
                wait_for_version(again, "2")
                eventually(lambda: sample(prom, f"up{mine} == 1"), "it is scraped again")
                with Traffic(again, rows, label, "third") as three:
                    time.sleep(10)
                settled(prom, project)
                now = float(sample(prom, received)[0])
                assert now + lost == everything + three.accepted, (
                    "each outcome must count exactly once"
                )
                (increase,) = sample(prom, "sum(increase(ml_outcomes_total[5m]))")
                assert float(increase) == pytest.approx(everything + three.accepted, rel=0.1), (
                    "the tolerance is for the extrapolation of increase()"
                )
                result = per_field(prom)
                for field, expected in recorded(project)["fields"].items():
                    assert result[field] == pytest.approx(expected, abs=0.01), field


def settled(prometheus: str, project: Project) -> None:
    """Wait until every outcome is counted and scraped."""
    with closing(sqlite3.connect(project.path / "var" / "records.db")) as records:
        waiting = "SELECT count(*) FROM outcomes WHERE counted_at IS NULL"
        eventually(lambda: records.execute(waiting).fetchone() == (0,), "all outcomes are counted")
    time.sleep(3)


def per_field(prometheus: str) -> dict[str, list[float]]:
    """Return the cumulative shares of each field over all scored rows, by increase()."""
    shares = (
        "sum by (field, le) (increase(ml_feature_bucket_total[5m])) / on (field) group_left () "
        'sum by (field) (increase(ml_feature_bucket_total{le="+Inf"}[5m]))'
    )
    requested = f"{prometheus}/api/v1/query?{urlencode({'query': shares})}"
    matches: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for result in get(requested)["data"]["result"]:
        place = result["metric"]["le"].partition(" ")[0]
        matches[result["metric"]["field"]].append((float(place), float(result["value"][1])))
    return {field: [share for _, share in sorted(pairs)] for field, pairs in matches.items()}


def assert_figures_equal_records(prometheus: str, project: Project) -> None:
    """Assert that each figure by PromQL equals the arithmetic over the database."""
    message = recorded(project)
    for (decision, outcome), count in message["confusion"].items():
        requested = f'sum(ml_outcomes_total{{decision="{decision}", outcome="{outcome}"}})'
        assert [float(value) for value in sample(prometheus, requested)] == [count], (
            decision,
            outcome,
        )
    for expression, expected in (
        ("sum(ml_outcome_squared_error_total)", message["squared_error"]),
        (
            'sum(ml_payoff_total{direction="gain"}) - sum(ml_payoff_total{direction="loss"})',
            message["value"],
        ),
        (
            'sum(ml_decision_feedback_total{verdict="overridden"}) / '
            "sum(ml_decision_feedback_total)",
            message["overridden"],
        ),
        (
            "sum(ml_calibration_outcomes_total) / sum(ml_calibration_rows_total)",
            message["base_rate"],
        ),
        ("max(ml_active_reviewers)", message["people"]),
        (
            'sum(ml_outcomes_total{decision="decline", outcome="1"}) / '
            'sum(ml_outcomes_total{decision="decline"})',
            message["precision"],
        ),
    ):
        (value,) = sample(prometheus, expression)
        assert float(value) == pytest.approx(expected, rel=1e-6), expression


OFFLINE = """
import json, sqlite3
from bisect import bisect_left
from mlprod.bundle.reference_profile import Reference
from {package}.decision import payoff
from pathlib import Path

records = sqlite3.connect("var/records.db")
joined = records.execute(
    "SELECT p.score, p.decision, p.row, o.outcome"
    " FROM outcomes o JOIN predictions p ON p.id = o.prediction_id"
).fetchall()
confusion, error, value = {{}}, 0.0, 0.0
for score, decision, row, outcome in joined:
    key = decision + " " + format(outcome, "g")
    confusion[key] = confusion.get(key, 0) + 1
    error += (score - outcome) ** 2
    value += payoff(decision, outcome, json.loads(row))
judged = [verdict for verdict, in records.execute("SELECT verdict FROM feedback")]
people, = records.execute("SELECT count(DISTINCT pseudonym) FROM feedback").fetchone()
digest = json.loads(Path("var/models/champion.json").read_text())["digest"]
file = Path("var/models/versions", digest, "reference.json")
reference = Reference.model_validate_json(file.read_bytes())
rows = [json.loads(row) for row, in records.execute("SELECT row FROM predictions")]
fields = {{}}
for name, profile in reference.fields.items():
    values = [row[name] for row in rows if row.get(name) is not None]
    if not values:
        # PII is not recorded.
        continue
    if isinstance(profile.edges[0], str):
        codes = {{category: code for code, category in enumerate(profile.edges)}}
        places = [codes.get(value, len(codes)) for value in values]
    else:
        places = [bisect_left(profile.edges, value) for value in values]
    fields[name] = [
        sum(place <= bound for place in places) / len(places)
        for bound in range(len(profile.edges) + 1)
    ]
print(json.dumps({{
    "confusion": confusion, "squared_error": error, "value": value,
    "fields": fields, "people": people,
    "overridden": judged.count("overridden") / len(judged),
    "base_rate": sum(o for *_, o in joined) / len(joined),
}}))
"""


def recorded(project: Project) -> dict[str, Any]:
    """Compute the figures by plain arithmetic over the database."""
    python = project.python
    script = OFFLINE.format(package=project.package)
    command = [python, "-c", script]
    done = subprocess.run(
        command,
        cwd=project.path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message = dict(json.loads(done.stdout))
    message["confusion"] = {
        tuple(key.split()): count for key, count in message["confusion"].items()
    }
    declined = {key: count for key, count in message["confusion"].items() if key[0] == "decline"}
    message["precision"] = declined.get(("decline", "1"), 0) / sum(declined.values())
    return message
