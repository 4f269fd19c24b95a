"""The result of a training, and the listener that receives it."""

from dataclasses import dataclass
from typing import Protocol

from ..bundle.manifest import Estimate
from ..contract.report import CheckReport
from ..governance.gates import Measured, Verdict
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import Evaluation
from .registered_version import Version


@dataclass(frozen=True)
class TrainingResult:
    """A registered version, and what was found on its way.

    `test` are the rows that every figure is of; `measured` has the figures that a gate may ask for,
    by (compare, metric, slice). `simpler` is the money a row that a model earns more than a linear
    one, None for a baseline. `commit` is that of the code, as git describes it.
    """

    version: Version
    verdicts: list[Verdict]
    evaluation: Evaluation
    baseline: Evaluation
    report: CheckReport
    candidate: Candidate
    test: Dataset
    measured: Measured
    simpler: Estimate | None
    commit: str


class TrainingListener(Protocol):
    """Receives what a training finds. An exception of its own ends the training."""

    def data_refused(self, report: CheckReport) -> None:
        """The rows break their contract: nothing is trained."""

    def registered(self, result: TrainingResult) -> None:
        """A version is registered, and challenges nobody yet."""
