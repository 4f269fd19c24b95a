"""Training with the files of governance/: gates, waivers and the text of the model card.

Its results become evidence.
"""

from dataclasses import dataclass
from datetime import date, datetime

from ..contract.report import CheckReport
from ..governance.config import read_governance
from ..governance.gates import read_gates
from ..governance.waivers import PICKLE, require_waiver
from ..project.project import Seam
from ..settings import Settings
from .candidates import Say
from .evaluation_metrics import NAMES, SLICED
from .evidence_store import digests, write_evidence
from .model_card_text import card_text_of, missing_entries
from .registry import Registry
from .train import train
from .training_evidence import candidate_evidence, data_evidence
from .training_result import TrainingResult


@dataclass(frozen=True)
class EvidenceWriter:
    """Writer of a training's evidence into the registry.

    `missing` has file and key of each entry that the model card still needs.
    """

    seam: Seam
    settings: Settings
    missing: list[str]

    def data_refused(self, report: CheckReport) -> None:
        """Write the evidence of rows that violate the contract."""
        write_evidence(
            Registry(self.settings),
            data_evidence(self.seam, report, digests(self.settings, self.seam)),
        )

    def registered(self, result: TrainingResult) -> None:
        """Write the evidence of a registered version and of its rows."""
        subject = digests(self.settings, self.seam, result.version)
        of_candidate = candidate_evidence(
            self.seam,
            result.candidate,
            result.test,
            result.measured,
            result.verdicts,
            self.missing,
            result.commit,
            result.simpler,
            subject,
            result.windows,
        )
        of_data = data_evidence(self.seam, result.report, subject)
        write_evidence(Registry(self.settings), [*of_data, *of_candidate])


def train_with_governance(
    seam: Seam, settings: Settings, say: Say, *, kind: str = "model", until: datetime | None = None
) -> TrainingResult:
    """Train as the verb `train` does, and write evidence.

    The current folder must be the project's, because evidence names the files below it. Raises
    GovernanceError before the training starts, and what train() raises.
    """
    gates = read_gates(settings.governance_dir / "gates.yaml", NAMES, SLICED)
    text = card_text_of(read_governance(settings.governance_dir))
    if seam.runtime == "python" and kind == "model":
        require_waiver(settings.governance_dir / "waivers.yaml", PICKLE, date.today())
    listener = EvidenceWriter(seam, settings, missing_entries(text))
    return train(
        seam, settings, say, kind=kind, until=until, gates=gates, card_text=text, listener=listener
    )
