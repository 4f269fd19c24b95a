"""A candidate beside the baseline and the champion: every figure that a gate may ask for, on the
same test rows.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.loader import BundleError, open_bundle
from ..bundle.manifest import Estimate, Parity
from ..contract.schema import Task
from ..governance.gates import Figure
from ..project.project import Seam
from ..settings import Settings
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import Evaluation, evaluate
from .evaluation_metrics import BY_TASK
from .fit import payoffs
from .leakage import FieldPower
from .registry import CHAMPION, Registry, Version


def measure(seam: Seam, test: Dataset, candidate: Candidate) -> Evaluation:
    scores = candidate.runtime.score(test.columns)
    return evaluate(
        seam.terms, seam.task(), test, scores, payoffs(seam, test, scores, candidate.threshold)
    )


def compare_champion(
    seam: Seam,
    settings: Settings,
    registry: Registry,
    champion: Version | None,
    test: Dataset,
    kind: str,
) -> tuple[Evaluation | None, dict[str, str]]:
    """The champion on the same test rows, or why there is none.

    Raises BundleError for a damaged champion.
    """
    if kind == "baseline":
        return None, {CHAMPION: "a baseline is what one falls back on, not a rival"}
    if champion is None:
        return None, {CHAMPION: "there is no champion yet"}
    with TemporaryDirectory() as folder:
        try:
            path = registry.download(champion, Path(folder))
            bundle = open_bundle(
                path,
                seam.terms.fields,
                seam.baseline,
                digest=champion.digest,
                allow_pickle=settings.allow_pickle,
                megabytes=settings.model_megabytes,
            )
        except BundleError as error:
            if error.reason == "contract":
                return None, {
                    CHAMPION: f"version {champion.number} cannot answer today's contract: {error}"
                }
            if champion.kind == "baseline" and error.reason == "probe":
                return None, {
                    CHAMPION: f"version {champion.number} is an older baseline; today's was compared "
                    f"with"
                }
            raise
    manifest = bundle.manifest
    return measure(
        seam, test, Candidate(manifest.kind, bundle.runtime, {}, manifest.threshold, None)
    ), {}


def figures(
    found: Evaluation,
    baseline: Evaluation,
    rival: Evaluation | None,
    powers: dict[str, FieldPower],
    same: Parity | None,
) -> dict[tuple[str, str, str], Figure]:
    """Everything that a gate may ask for, by (compare, metric, slice)."""
    measured: dict[tuple[str, str, str], Figure] = {
        ("absolute", *key): figure for key, figure in found.figures.items()
    }
    measured |= {("baseline", *key): figure for key, figure in found.difference(baseline).items()}
    if rival:
        measured |= {("champion", *key): figure for key, figure in found.difference(rival).items()}
    n = found.figures["value", ""].n
    measured |= {
        ("absolute", "single_field_power", name): _exact(item.power, n)
        for name, item in powers.items()
    }
    if same:
        measured["absolute", "parity_difference", ""] = _exact(same.max_difference, same.rows)
    return measured


def not_applicable(task: Task, candidate: Candidate) -> dict[str, str]:
    other: Task = "regression" if task == "binary" else "binary"
    absent = dict.fromkeys(BY_TASK[other], f"a metric of {other}")
    if candidate.kind == "baseline":
        absent |= {
            "baseline": "this is the baseline",
            "parity_difference": "a baseline is not exported",
        }
        absent |= {"calibration_error": "a baseline's score is no probability"}
    return absent


def _exact(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=n)
