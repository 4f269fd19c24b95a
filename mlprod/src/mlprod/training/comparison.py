"""Comparison of a candidate with the baseline and the champion, on the same test rows."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.loader import BundleError, open_bundle
from ..bundle.manifest import Estimate, Parity
from ..contract.classes import class_names
from ..contract.schema import Task
from ..governance.gates import Figure
from ..project.project import Seam
from ..settings import Settings
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import Evaluation, evaluate
from .evaluation_metrics import BY_TASK, OF_CLASSES
from .fit import payoffs
from .leakage import FieldPower
from .registry import CHAMPION, Registry, Version


def measure_candidate(seam: Seam, test: Dataset, candidate: Candidate) -> Evaluation:
    """Evaluate a candidate on the test rows, by the payoff() of the project today."""
    scores = candidate.runtime.score(test.columns)
    value = payoffs(seam, test, scores, candidate.threshold, candidate.decide)
    return evaluate(seam.terms, seam.task(), test, scores, value)


def compare_champion(
    seam: Seam,
    settings: Settings,
    registry: Registry,
    champion: Version | None,
    test: Dataset,
    kind: str,
) -> tuple[Evaluation | None, dict[str, str]]:
    """Evaluate the champion on the same test rows.

    Returns (evaluation, {}), or (None, {"champion": reason}) if the comparison does not apply.
    Raises BundleError if the champion is damaged.
    """
    if kind == "baseline":
        return None, {CHAMPION: "a baseline is the fallback and does not compete with the champion"}
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
                    CHAMPION: f"version {champion.number} does not fit today's contract: {error}"
                }
            if champion.kind == "baseline" and error.reason == "probe":
                return None, {
                    CHAMPION: f"version {champion.number} is an older baseline; the current one "
                    f"was compared"
                }
            raise
    manifest = bundle.manifest
    if manifest.classes != seam.terms.classes:
        listed = ", ".join(class_names(manifest.classes)) or f"none, as a {manifest.task}"
        return None, {
            CHAMPION: f"version {champion.number} does not fit today's CLASSES; it has {listed}"
        }
    rival = Candidate(
        manifest.kind, bundle.runtime, {}, manifest.threshold, None, decide=bundle.decide
    )
    return measure_candidate(seam, test, rival), {}


def gate_figures(
    evaluation: Evaluation,
    baseline: Evaluation,
    rival: Evaluation | None,
    powers: dict[str, FieldPower],
    parity: Parity | None,
) -> dict[tuple[str, str, str], Figure]:
    """Return every figure that a gate may use, by (compare, metric, slice)."""
    measured: dict[tuple[str, str, str], Figure] = {
        ("absolute", *key): figure for key, figure in evaluation.figures.items()
    }
    measured |= {
        ("baseline", *key): figure for key, figure in evaluation.difference(baseline).items()
    }
    if rival:
        measured |= {
            ("champion", *key): figure for key, figure in evaluation.difference(rival).items()
        }
    n = evaluation.figures["value", ""].n
    measured |= {
        ("absolute", "single_field_power", name): _exact(item.power, n)
        for name, item in powers.items()
    }
    if parity:
        measured["absolute", "parity_difference", ""] = _exact(parity.max_difference, parity.rows)
    return measured


def not_applicable_metrics(task: Task, candidate: Candidate) -> dict[str, str]:
    """Return metric or comparison → the reason why it does not apply to the candidate."""
    absent = {
        name: f"a metric of {other}"
        for other in reversed(BY_TASK)
        for name in (*BY_TASK[other], *(OF_CLASSES if other == "multiclass" else ()))
        if other != task and name not in BY_TASK[task]
    }
    if candidate.kind == "baseline":
        absent |= {
            "baseline": "this is the baseline",
            "parity_difference": "a baseline is not exported",
        }
        absent |= {"calibration_error": "a baseline's score is not a probability"}
    return absent


def _exact(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=n)
