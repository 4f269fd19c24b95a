"""The rooms of the library through which an object passes, as an argument or a return value.

An additional room is a decision: change the expected rooms here, and give the reason.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest
from champions import champion, here, send, store
from conftest import Trained, point, serve, silent, waive
from filled import Filled, at_home, filled
from fixture_project import main
from seams import PARCEL, binary

import mlprod
from mlprod.monitoring import live_checks
from mlprod.settings import Settings
from mlprod.training.dataset import Dataset
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry

__all__ = ["at_home", "champion", "filled", "here", "send", "store"]
LIBRARY = f"{Path(mlprod.__file__).parent}{os.sep}"
# Every room may use these.
FOUNDATION = {"atomic_write", "display"}


class Walk:
    """A profiler that notes the rooms through which an object passes.

    `holds` recognizes the object. The profiler covers every thread that starts after it, and works
    while it is `on`.
    """

    def __init__(self, holds: Callable[[Any], bool]) -> None:
        self.holds, self.on, self.passed = holds, False, set[str]()

    def __call__(self, frame: FrameType, event: str, given: Any) -> None:
        code = frame.f_code
        if (
            not self.on
            or event not in ("call", "return")
            or not code.co_filename.startswith(LIBRARY)
        ):
            return
        # The code below calls functions itself.
        self.on = False
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        values = (
            [given]
            if event == "return"
            else [frame.f_locals.get(name) for name in names if name != "self"]
        )
        if any(map(self.holds, values)):
            self.passed.add(
                Path(code.co_filename.removeprefix(LIBRARY)).parts[0].removesuffix(".py")
            )
        self.on = True


@contextmanager
def walking(holds: Callable[[Any], bool]) -> Iterator[Walk]:
    walk = Walk(holds)
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        yield walk
    finally:
        walk.on = False
        sys.setprofile(None)
        threading.setprofile(None)


def of_rows(value: Any) -> bool:
    return isinstance(value, ir.Table | pa.Table | Dataset) or (
        isinstance(value, np.ndarray) and value.size > 50
    )


def test_rows_of_a_training_pass_contract_training_and_bundle(
    settings: Settings, registry: Registry
) -> None:
    waive(settings)
    with walking(of_rows) as walk:
        walk.on = True
        train_with_governance(binary, settings, silent)
    assert walk.passed == {"contract", "training", "bundle"}


def test_a_request_passes_serving_contract_bundle_and_records(
    trained: Trained, settings: Settings
) -> None:
    point(settings.models, trained.bundle, 1)
    with walking(lambda value: "marked" in repr(value)) as walk, serve(binary, settings) as client:
        walk.on = True
        assert (
            client.post("/v1/predict", json={"rows": [PARCEL | {"id": "marked"}]}).status_code
            == 200
        )
    assert walk.passed == {"serving", "contract", "bundle", "records"}


def test_an_outcome_passes_serving_and_records(trained: Trained, settings: Settings) -> None:
    point(settings.models, trained.bundle, 1)
    with walking(lambda value: "marked" in repr(value)) as walk, serve(binary, settings) as client:
        walk.on = True
        received = {"prediction_id": "marked", "outcome": 1, "at": "2026-01-31T12:00:00Z"}
        assert client.post("/v1/outcomes", json={"outcomes": [received]}).status_code == 200
    assert walk.passed == {"serving", "records"}


def test_an_alert_passes_monitoring_alone(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_checks, "due_days", lambda org: [("a key", date(2020, 1, 1))])
    with walking(lambda value: "GovernanceOverdue" in repr(value)) as walk:
        walk.on = True
        assert main(["check-alerts"]) == 1
    assert walk.passed - FOUNDATION == {"monitoring"}


def test_a_check_passes_governance_alone(
    at_home: Settings, filled: Filled, capsys: pytest.CaptureFixture[str]
) -> None:
    with walking(
        lambda value: not isinstance(value, dict) and "owners-not-overloaded" in repr(value)
    ) as walk:
        walk.on = True
        main(["readiness", "--format", "json"])
    assert "owners-not-overloaded" in capsys.readouterr().out
    assert walk.passed - FOUNDATION == {"governance"}
