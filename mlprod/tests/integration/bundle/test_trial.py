import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from onnx_models import endless, hungry, reading_models, sums
from seams import PARCELS

from mlprod.bundle import trial
from mlprod.bundle.errors import BundleError
from mlprod.bundle.trial import ExportedModel, Trials
from mlprod.bundle.writer import probe_columns

COLUMNS = probe_columns(PARCELS.fields)
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux holds a process to its memory"
)


@pytest.fixture(autouse=True)
def nothing_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the trials of other tests."""
    monkeypatch.setattr(Trials, "_passed", {})
    monkeypatch.setattr(Trials, "_failed", {})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The processes that were started for a trial."""
    result: list[object] = []
    run = trial._run

    def counted(exported: ExportedModel, megabytes: int, attempt: trial.Attempt) -> float:
        result.append(exported)
        return run(exported, megabytes, attempt)

    monkeypatch.setattr(trial, "_run", counted)
    return result


class Careless:
    """A pickled model that harms the process in which it runs."""

    def __init__(self, harm: str) -> None:
        self.harm = harm

    def predict(self, columns: dict[str, Any]) -> Any:
        print("text on standard output is not a result")
        if self.harm == "sleeps":
            time.sleep(600)
        if self.harm == "ends":
            sys.stdout.flush()
            __import__("os").kill(__import__("os").getpid(), 9)
        if self.harm == "fails":
            raise RuntimeError("no such city")
        return next(iter(columns.values())) * 0.0


def exported(model: bytes) -> ExportedModel:
    return ExportedModel("onnx", model, PARCELS.fields, COLUMNS)


def pickled(harm: str) -> ExportedModel:
    return ExportedModel("python", pickle.dumps(Careless(harm)), PARCELS.fields, COLUMNS)


def refusal(model: ExportedModel, megabytes: int = 128) -> BundleError:
    with pytest.raises(BundleError) as refused:
        Trials().run(model, megabytes)
    return refused.value


def test_a_model_that_loads_and_scores_passes_with_its_memory() -> None:
    assert 0 <= Trials().run(exported(sums()), 128) < 64
    assert 0 <= Trials().run(pickled("none"), 128) < 64


@linux_only
def test_a_model_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    refused = refusal(exported(endless()))
    assert refused.reason == "probe"
    assert "within 1 seconds of CPU time; does it ever end?" in str(refused)


def test_a_model_that_waits_forever_is_stopped_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 2)
    monkeypatch.setattr(trial, "WALL_CLOCK_FACTOR", 2)
    assert refusal(pickled("sleeps")).reason == "probe"


@linux_only
@pytest.mark.parametrize("megabytes", [160, 2_000, 4_000_000])
def test_a_model_that_fills_memory_is_refused_with_the_limit_and_the_remedy(megabytes: int) -> None:
    refused = refusal(exported(hungry(megabytes)), 64)
    assert refused.reason == "size"
    assert "64 MB" in str(refused)
    assert "raise ML_MODEL_MEGABYTES" in str(refused)


def test_a_higher_limit_lets_the_same_model_pass() -> None:
    assert 160 <= Trials().run(exported(hungry(160)), 500) <= 500


@pytest.mark.parametrize(
    ("model", "reason", "text"),
    [
        (exported(reading_models()["constant"].SerializeToString()), "unsafe", "external data"),
        (exported(b"not a model"), "runtime", "cannot be loaded"),
        (
            ExportedModel("python", b"no pickle", PARCELS.fields, COLUMNS),
            "runtime",
            "cannot be loaded",
        ),
        (pickled("fails"), "probe", "cannot score its own probe: no such city"),
    ],
)
def test_a_failure_has_the_same_reason_as_without_a_trial(
    model: ExportedModel, reason: str, text: str
) -> None:
    refused = refusal(model)
    assert (refused.reason, text in str(refused)) == (reason, True)


@linux_only
def test_a_killed_process_counts_as_a_failure() -> None:
    refused = refusal(pickled("ends"))
    assert (refused.reason, "too little memory" in str(refused)) == ("size", True)


def test_a_model_that_passed_is_not_tried_again(started: list[object]) -> None:
    assert Trials().run(exported(sums()), 128) == Trials().run(exported(sums()), 128)
    assert len(started) == 1


def test_another_limit_or_another_probe_is_another_trial(started: list[object]) -> None:
    other = ExportedModel(
        "onnx", sums(), PARCELS.fields, COLUMNS | {"weight": [1.0] * len(COLUMNS["weight"])}
    )
    for model, megabytes in ((exported(sums()), 128), (exported(sums()), 127), (other, 128)):
        Trials().run(model, megabytes)
    assert len(started) == 3


def test_a_model_that_failed_is_not_tried_again_at_once(
    started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service checks every few seconds. A model that never ends must not occupy a core."""
    assert str(refusal(pickled("fails"))) == str(refusal(pickled("fails")))
    assert len(started) == 1
    monkeypatch.setattr(trial, "FAILURE_VALID_SECONDS", 0.0)
    refusal(pickled("fails"))
    assert len(started) == 2


FORKS = """
import json, os, sys, time
from conftest import *
from onnx_models import endless, hungry, reading_models, sums
from test_trial import exported, pickled
from mlprod.bundle import trial
from mlprod.bundle.errors import BundleError
trial.TRIAL_SECONDS = 1
trials, before = trial.Trials(), len(os.listdir("/proc/self/fd"))
trials.fork = True
trial.try_in_process = None  # a trial without a fork fails
unsafe = exported(reading_models()["constant"].SerializeToString())
for model in (exported(sums()), exported(hungry(160)), exported(endless()),
              exported(hungry(4_000_000)), unsafe, pickled("ends"), pickled("fails"),
              exported(sums())):
    try:
        print("passed", trials.run(model, 64) < 64)
    except BundleError as error:
        print(error.reason)
print(before == len(os.listdir("/proc/self/fd")))
"""


@linux_only
def test_a_fork_gives_the_same_results() -> None:
    folders = os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parents[2]), *sys.path]
    )
    environment = os.environ | {"PYTHONPATH": folders}
    done = subprocess.run(
        [sys.executable, "-c", FORKS], env=environment, capture_output=True, text=True, check=True
    )
    result = done.stdout.splitlines()
    assert result == [
        "passed True",
        "size",
        "probe",
        "size",
        "unsafe",
        "size",
        "probe",
        "passed True",
        "True",
    ]


def test_a_process_with_another_thread_does_not_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "try_in_fork", None)
    trials, end = Trials(), threading.Event()
    trials.fork = True
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert trials.run(exported(sums()), 128) < 64
    finally:
        end.set()
        thread.join()
