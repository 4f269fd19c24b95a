"""Metrics and checks of a project: a broken one does not affect those of the service."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point
from prometheus_client import Gauge
from seams import binary

from mlprod.project.extension_loader import Extensions
from mlprod.serving import own_checks
from mlprod.serving.container import Container
from mlprod.serving.own_checks import OwnChecks
from mlprod.settings import Settings

SEAM = binary.terms, binary.baseline, binary.decide, binary.payoff


def test_a_collector_that_fails_later_takes_only_the_projects_metrics(
    settings: Settings, output: Callable[[], str]
) -> None:
    gauge = Gauge("mine", "Of the project", registry=None)
    client = Client(Container(*SEAM, settings, extensions=Extensions(metrics=lambda: [gauge])))
    assert "\nmine 0.0" in client.operations.get("/metrics").text

    def fail() -> float:
        raise OSError("away")

    gauge.set_function(fail)
    answer = client.operations.get("/metrics")
    assert (
        answer.status_code,
        "\nmine " in answer.text,
        "\nml_requests_total{" in answer.text,
    ) == (200, False, True)
    assert "a collector failed" in output()


@pytest.fixture
def result() -> list[Any]:
    return [""]


def test_a_replica_is_ready_while_its_own_check_passes(
    trained: Trained, settings: Settings, result: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_checks, "CHECK_SECONDS", 0.02)
    point(settings.models, trained.bundle, 1)
    extensions = Extensions(checks=lambda: {"limits": lambda: result[0]})
    with Client(Container(*SEAM, settings, extensions=extensions)) as client:
        eventually(lambda: client.operations.get("/readyz").status_code == 200)
        result[0] = "the limits are a day old"
        eventually(lambda: client.operations.get("/readyz").status_code == 503)
        assert client.operations.get("/readyz").json() == {
            "status": "own check",
            "detail": "check limits: the limits are a day old",
        }
        assert client.get("/healthz").json() == {"status": "not ready"}
        result[0] = ""
        eventually(lambda: client.operations.get("/readyz").status_code == 200)


@pytest.mark.parametrize("returned", [True, False, None])
def test_a_check_that_does_not_return_a_text_counts_as_a_reason(returned: object) -> None:
    # not a text, on purpose
    checks = OwnChecks(lambda: {"limits": lambda: returned})  # type: ignore[arg-type]
    assert checks.problem, "it has not run yet"
    assert f"check limits: it returned {returned!r}; a check must return why" in checks.run_once()


def test_a_check_that_fails_or_does_not_return_counts_as_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise OSError("away")

    assert (
        OwnChecks(lambda: {"limits": fail}).run_once() == "check limits: it failed: OSError: away"
    )
    monkeypatch.setattr(own_checks, "LATE_SECONDS", 0.05)
    go_on, stop = threading.Event(), threading.Event()
    checks = OwnChecks(lambda: {"limits": lambda: "" if go_on.wait(30) else "late"})
    thread = threading.Thread(target=checks.watch, args=(stop,))
    thread.start()
    try:
        eventually(lambda: "check limits has not returned for" in checks.problem)
    finally:
        go_on.set()
        stop.set()
        thread.join()
    assert checks.problem == ""
