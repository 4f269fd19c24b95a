"""Comparison of a candidate with the baseline and the champion, on the same test rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ..bundle.loader import BundleError, open_bundle
from ..bundle.manifest import BacktestWindow, Estimate, Manifest, Parity
from ..contract.classes import class_names
from ..contract.schema import Task
from ..governance.gates import Figure
from ..project.project import Seam
from ..settings import Settings
from .backtest import NO_BACKTEST, share_of_wins
from .bundle_builder import Candidate
from .dataset import Dataset
from .evaluate import Evaluation, evaluate
from .evaluation_metrics import BY_TASK, OF_CLASSES
from .fit import payoffs
from .leakage import FieldPower
from .registry import CHAMPION, Registry, Version
from .split_errors import MIN_PART_ROWS


def measure_candidate(seam: Seam, test: Dataset, candidate: Candidate) -> Evaluation:
    """Evaluate a candidate on the test rows, by the payoff() of the project today."""
    scores = candidate.runtime.score(test.columns)
    value = payoffs(seam, test, scores, candidate.threshold, candidate.decide)
    return evaluate(seam.terms, seam.task(), test, scores, value)


@dataclass(frozen=True)
class ChampionComparison:
    """The evaluations of a candidate and of the champion on the same `rows` test rows.

    They are the test rows from which the champion has not learned; `since` is the time before the
    first of them, or empty if they are all.
    """

    candidate: Evaluation
    champion: Evaluation
    rows: int
    since: str = ""


def compare_champion(
    seam: Seam,
    settings: Settings,
    registry: Registry,
    champion: Version | None,
    test: Dataset,
    candidate: Candidate,
    evaluation: Evaluation,
    split_name: str = "",
) -> tuple[ChampionComparison | None, dict[str, str]]:
    """Compare the candidate with the champion on the test rows that the champion has not learned.

    `evaluation` is the candidate's on all test rows, and `split_name` names a split of the
    project's own. Returns (comparison, {}), or (None,
    {"champion": reason}) if the comparison does not apply. Raises BundleError if the champion is
    damaged.
    """
    if candidate.kind == "baseline":
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
    unlearned = unlearned_rows(manifest, test, seam.terms.unit, split_name)
    if unlearned.all():
        theirs = measure_candidate(seam, test, rival)
        return ChampionComparison(evaluation, theirs, len(test)), {}
    if not unlearned.any() and test.at is None:
        return None, {
            CHAMPION: f"version {champion.number} was trained on another split, so it may have "
            "learned the test rows. Works: the SPLIT of that training"
        }
    since, rows = str(manifest.data.learned_until), test.subset(np.flatnonzero(unlearned))
    one_class = seam.task() != "regression" and len(np.unique(rows.y)) < 2
    if len(rows) < MIN_PART_ROWS or one_class:
        return None, {
            CHAMPION: f"version {champion.number} has learned the rows until {since[:19]}, and "
            f"{len(rows):,} of {len(test):,} test rows are later; a comparison needs "
            f"{MIN_PART_ROWS}{' and two classes' if one_class else ''}. Train again with later rows"
        }
    ours, theirs = (measure_candidate(seam, rows, one) for one in (candidate, rival))
    return ChampionComparison(ours, theirs, len(rows), since), {}


def unlearned_rows(
    manifest: Manifest, test: Dataset, group: str | None, split_name: str = ""
) -> NDArray[np.bool_]:
    """Return which test rows [rows] a model has not learned.

    With GROUP the hash gives each group to the same part in every training, so no test row was
    learned. The same is true for the same SPLIT. Without GROUP, with another SPLIT, and after a
    refit on all rows, the rows until the model's newest training row count as learned; without
    times all do. Bundles of earlier versions do not name that row.
    """
    until, same_split = manifest.data.learned_until, manifest.data.split == split_name
    by_ids = bool(group or split_name) and same_split
    if manifest.kind == "baseline":
        return np.ones(len(test), dtype=bool)
    if manifest.refit is None and same_split and (by_ids or until is None or test.at is None):
        return np.ones(len(test), dtype=bool)
    if test.at is None or until is None:
        # A refit, or another split, may have given any of the rows to the training.
        return np.zeros(len(test), dtype=bool)
    return np.asarray(test.at > np.datetime64(until), dtype=np.bool_)


def gate_figures(
    evaluation: Evaluation,
    baseline: Evaluation,
    rival: ChampionComparison | None,
    powers: dict[str, FieldPower],
    parity: Parity | None,
    windows: Sequence[BacktestWindow] = (),
) -> dict[tuple[str, str, str], Figure]:
    """Return every figure that a gate may use, by (compare, metric, slice)."""
    measured: dict[tuple[str, str, str], Figure] = {
        ("absolute", *key): figure for key, figure in evaluation.figures.items()
    }
    measured |= {
        ("baseline", *key): figure for key, figure in evaluation.difference(baseline).items()
    }
    if rival:
        difference = rival.candidate.difference(rival.champion)
        measured |= {("champion", *key): figure for key, figure in difference.items()}
    n = evaluation.figures["value", ""].n
    measured |= {
        ("absolute", "single_field_power", name): exact_figure(item.power, n)
        for name, item in powers.items()
    }
    if parity:
        measured["absolute", "parity_difference", ""] = exact_figure(
            parity.max_difference, parity.rows
        )
    if windows:
        measured["absolute", "backtest_wins", ""] = exact_figure(
            share_of_wins(windows), sum(window.rows for window in windows)
        )
    return measured


def not_applicable_metrics(
    task: Task, candidate: Candidate, windows: Sequence[BacktestWindow] = ()
) -> dict[str, str]:
    """Return metric or comparison → the reason why it does not apply to the candidate.

    The refit is judged after it: see refit.judge_refit().
    """
    absent = {
        name: f"a metric of {other}"
        for other in reversed(BY_TASK)
        for name in (*BY_TASK[other], *(OF_CLASSES if other == "multiclass" else ()))
        if other != task and name not in BY_TASK[task]
    }
    absent["refit_difference"] = 'it needs REFIT = "all" in model.py, and that other gates pass'
    if not windows:
        absent["backtest_wins"] = NO_BACKTEST
    if candidate.kind == "baseline":
        absent |= {
            "baseline": "this is the baseline",
            "parity_difference": "a baseline is not exported",
        }
        absent |= {"calibration_error": "a baseline's score is not a probability"}
    return absent


def exact_figure(value: float, n: int) -> Estimate:
    """Return a figure without an interval."""
    return Estimate(value=value, low=value, high=value, n=n)
