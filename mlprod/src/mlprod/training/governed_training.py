"""Training by the files of governance/: gates, waivers, text of the card.

What is found becomes evidence.
"""

from dataclasses import dataclass
from datetime import date, datetime

from ..contract.report import CheckReport
from ..governance.config import read_organisation
from ..governance.gates import read_gates
from ..governance.waivers import PICKLE, demand_waiver
from ..project.project import Seam
from ..settings import Settings
from .candidates import Say
from .evaluation_metrics import NAMES, SLICED
from .evidence_store import digests, write
from .model_card_text import card_text_of, missing
from .registry import Registry
from .train import train
from .training_evidence import of_data, of_training
from .training_result import TrainingResult


@dataclass(frozen=True)
class EvidenceWriter:
    """Writes evidence of a training into the registry.

    `missing` is file and key of what its card needs.
    """

    seam: Seam
    settings: Settings
    missing: list[str]

    def data_refused(self, report: CheckReport) -> None:
        write(
            Registry(self.settings), of_data(self.seam, report, digests(self.settings, self.seam))
        )

    def registered(self, result: TrainingResult) -> None:
        subject = digests(self.settings, self.seam, result.version)
        shown = of_training(
            self.seam, result.candidate, result.test, result.measured, result.verdicts, self.missing, result.commit,
            result.simpler, subject,
        )  # fmt: skip
        write(Registry(self.settings), [*of_data(self.seam, result.report, subject), *shown])


def train_with_governance(
    seam: Seam, settings: Settings, say: Say, *, kind: str = "model", until: datetime | None = None
) -> TrainingResult:
    """Train as the verb `train` does, in the project's folder: evidence names the files below it.

    Raises GovernanceError before anything is trained, and what train() raises.
    """
    gates = read_gates(settings.governance_dir / "gates.yaml", NAMES, SLICED)
    text = card_text_of(read_organisation(settings.governance_dir))
    if seam.runtime == "python" and kind == "model":
        demand_waiver(settings.governance_dir / "waivers.yaml", PICKLE, date.today())
    listener = EvidenceWriter(seam, settings, missing(text))
    return train(
        seam, settings, say, kind=kind, until=until, gates=gates, card_text=text, listener=listener
    )
