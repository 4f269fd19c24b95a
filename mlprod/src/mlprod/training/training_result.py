"""The result of a training, and the listener that receives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..bundle.manifest import BacktestWindow, Estimate
from ..contract.report import CheckReport
from ..governance.gates import GateVerdict, Measured
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import Evaluation
from .registered_version import Version


@dataclass(frozen=True)
class TrainingResult:
    """A registered version, and the results of its training.

    `test` has the rows of every figure. `measured` has the figures that a gate may use, by
    (compare, metric, slice). `simpler` is by how much a model's payoff per row exceeds that of a
    linear one, None for a baseline. `commit` is that of the code, as git describes it. `candidate`
    is the evaluated model, also after a refit. `windows` are those of a forecast's back-test.
    """

    version: Version
    verdicts: list[GateVerdict]
    evaluation: Evaluation
    baseline: Evaluation
    report: CheckReport
    candidate: Candidate
    test: Dataset
    measured: Measured
    simpler: Estimate | None
    commit: str
    windows: Sequence[BacktestWindow] = ()


class TrainingListener(Protocol):
    """Receiver of a training's results. An exception that it raises ends the training."""

    def data_refused(self, report: CheckReport) -> None:
        """Receive the report of rows that violate the contract; nothing is trained."""

    def registered(self, result: TrainingResult) -> None:
        """Receive a registered version before it may become the challenger."""
