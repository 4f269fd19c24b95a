"""What is counted shows from the start, since Prometheus sees no increase in a series that begins at 1."""

import re
from pathlib import Path

from prometheus_client import generate_latest

from {{cookiecutter.package_name}}.serving import metrics
from {{cookiecutter.package_name}}.serving.metrics import SHED, Metrics
from {{cookiecutter.package_name}}.serving.service import NEEDS

RULES = Path(__file__).resolve().parents[2] / "monitoring" / "prometheus" / "service.rules.yml"
WITH_A_MODEL = {  # their labels name it
    "ml_predictions_total",
    "ml_model_info",
    "ml_decision_feedback_total",
}


def test_every_metric_that_an_alert_needs_shows_before_anything_happened() -> None:
    shown = set(re.findall(r"^(ml_[a-z_]+)", generate_latest(Metrics().registry).decode(), re.MULTILINE))
    needed = set(re.findall(r"\bml_[a-z0-9_]+", RULES.read_text()))
    assert needed - shown == WITH_A_MODEL


def test_every_reason_for_which_requests_are_shed_shows_from_zero() -> None:
    source = "".join(path.read_text() for path in Path(metrics.__file__).parent.glob("*.py"))
    said = re.findall(r'shed="(\w+)"|busy\("(\w+)"|shed\.labels\("(\w+)"', source)
    assert {reason for found in said for reason in found if reason} == set(SHED)


def test_every_route_of_callers_shows_failures_from_zero() -> None:
    registry = Metrics().registry
    posts = {"/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback"}
    assert posts <= set(NEEDS)
    for route in posts:
        for status in ("500", "503"):
            assert registry.get_sample_value("ml_requests_total", {"route": route, "status": status}) == 0
