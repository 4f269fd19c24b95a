"""Counters exist from the start, since Prometheus sees no increase in a series that begins at 1."""

import re
from pathlib import Path
from typing import cast

from fixture_project import PROJECT
from seams import PARCELS, costs

from mlprod.serving import metrics
from mlprod.serving.metrics import SHED, STATUSES, Metrics
from mlprod.serving.middleware import REQUIRED_ROLES
from mlprod.serving.model_loader import ModelLoader
from mlprod.serving.outcome_metrics import OutcomeMetrics

RULES = PROJECT / "monitoring" / "prometheus"


def test_every_metric_of_the_alerts_exists_under_that_name() -> None:
    metrics = Metrics()
    OutcomeMetrics(PARCELS, costs, cast(ModelLoader, None), metrics)
    received = {
        f"{metric.name}{end}"
        for metric in metrics.registry.collect()
        for end in ("", "_total", "_bucket", "_count")
    }
    constants = set(re.findall(r'record: "?(ml_\w+)', (RULES / "governance.rules.yml").read_text()))
    rules = "".join(path.read_text() for path in RULES.glob("*.rules.yml"))
    limits = {
        "ml_payoff_target",
        "ml_running_cost_monthly",
        "ml_intended_users",
        "ml_model_data_age_limit_seconds",
    } | constants
    assert set(re.findall(r"\bml_[a-z0-9_]+", rules)) - received <= limits | {
        "ml_governance_due_timestamp_seconds"
    }


def test_request_metrics_exist_before_the_first_request() -> None:
    shown = set(re.findall(r"^(ml_[a-z_]+)", Metrics().exposition().decode(), re.MULTILINE))
    before, _, _ = (RULES / "service.rules.yml").read_text().partition("- alert: MetricsAbsent")
    rules = re.sub(r"#.*", "", before)
    needed = set(re.findall(r"\bml_[a-z0-9_]+", rules))
    assert needed - shown == {"ml_predictions_total", "ml_model_info"}, "their labels name a model"


def test_every_reason_of_shed_requests_begins_at_zero() -> None:
    source = "".join(path.read_text() for path in Path(metrics.__file__).parent.glob("*.py"))
    message = re.findall(r'shed="(\w+)"|busy\("(\w+)"|shed\.labels\("(\w+)"', source)
    assert {reason for result in message for reason in result if reason} == set(SHED)


def test_failures_of_every_route_begin_at_zero() -> None:
    registry = Metrics().registry
    posts = {"/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback"}
    assert posts <= set(REQUIRED_ROLES)
    for route in posts:
        for status in STATUSES:
            assert (
                registry.get_sample_value("ml_requests_total", {"route": route, "status": status})
                == 0
            )


def test_known_labels_are_counted_without_a_zero_period() -> None:
    metrics = Metrics()
    for status in map(int, STATUSES):
        metrics.count_request("/v1/predict", status, 0.1)
    text = metrics.exposition().decode()
    assert len(
        re.findall(r'^ml_requests_total\{route="/v1/predict",status="\d+"\} 1\.0$', text, re.M)
    ) == len(STATUSES)


def test_state_gauges_are_1_until_a_check_fails() -> None:
    text = Metrics().exposition().decode()
    for line in ("ml_keys_valid 1.0", "ml_event_log_writable 1.0", "ml_mode_unsaved 0.0"):
        assert f"\n{line}\n" in text
