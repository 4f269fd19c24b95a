"""Evidence of a training, for readiness checks."""

from collections.abc import Sequence

import numpy as np

from ..bundle.manifest import BacktestWindow, Estimate
from ..contract.schema import Columns
from ..contract.validation import CheckReport
from ..display.counting import count_of
from ..governance.check_catalogue import Subject
from ..governance.evidence import Evidence
from ..governance.gates import GateVerdict, Measured
from ..project.project import Seam
from .bundle_builder import Candidate
from .class_metrics import squared_errors
from .dataset import Dataset
from .evidence_store import finding

# Shuffles of each field; their mean is its importance.
SHUFFLES = 5


def data_evidence(seam: Seam, report: CheckReport, digests: dict[Subject, str]) -> list[Evidence]:
    """Make the evidence of the data: it conforms to the contract, and the rows are real."""
    origin = "the example's synthetic rows" if seam.synthetic else "real rows"
    return [
        finding("contract-holds", report.ok, digests, f"{report.rows:,} rows"),
        finding("data-is-real", not seam.synthetic, digests, origin),
    ]


def candidate_evidence(
    seam: Seam,
    candidate: Candidate,
    test: Dataset,
    measured: Measured,
    verdicts: Sequence[GateVerdict],
    missing: Sequence[str],
    commit: str,
    simpler: Estimate | None,
    digests: dict[Subject, str],
    windows: Sequence[BacktestWindow] = (),
) -> list[Evidence]:
    """Make the evidence of a candidate that passed its gates.

    `missing` has the entries that its model card still needs. `commit` is as git describes it.
    `simpler` is by how much a model's payoff exceeds that of a linear one. `windows` are those of
    a forecast's back-test.
    """
    applied = [verdict for verdict in verdicts if verdict.passed is not None]
    clean = bool(commit) and not commit.endswith("-dirty")
    records = [
        finding(
            "gates-passed", all(v.passed for v in applied), digests, count_of(len(applied), "gate")
        ),
        finding("card-complete", not missing, digests, "; ".join(missing)[:500] or "complete"),
        finding(
            "trained-from-a-commit",
            clean,
            digests,
            commit[:12] if clean else "uncommitted files",
        ),
        finding("split-by-time", test.at is not None and seam.own_split is None, digests),
        finding(
            "scores-stay-finite", True, digests, f"{len(test):,} rows and as many synthetic ones"
        ),
    ]
    if candidate.kind == "baseline":
        return records
    low = measured["baseline", "value", ""].low
    records.append(finding("beats-baseline", low > 0, digests, low))
    if simpler:
        records.append(
            finding("simpler-model-not-better", simpler.high >= 0, digests, simpler.high)
        )
    if windows:
        wins = sum(window.beats_baseline for window in windows)
        figures = "; ".join(
            f"{one.since[:10]}: {one.value:.4g} ({one.baseline_value:.4g})" for one in windows
        )
        message = f"{wins} of {len(windows)} windows; value (baseline) from {figures}"
        records.append(finding("lasting-gain", wins > 1, digests, message[:500]))
    slices = [
        figure.high
        for key, figure in measured.items()
        if key[:2] == ("baseline", "value") and key[2]
    ]
    if slices:
        records.append(finding("no-slice-left-behind", min(slices) >= 0, digests, min(slices)))
    if candidate.parity:
        worst = candidate.parity.max_difference
        records.append(finding("same-features-in-serving", worst <= 1e-5, digests, worst))
    idle = [
        f"{name} ({importance:.2g})"
        for name, importance in field_importance(seam, candidate, test).items()
        if importance <= 0
    ]
    message = (
        f"scores do not get worse without {', '.join(idle)}"
        if idle
        else "scores get worse without any of the fields"
    )
    return [*records, finding("fields-earn-their-place", not idle, digests, message[:500])]


def field_importance(seam: Seam, candidate: Candidate, rows: Dataset) -> dict[str, float]:
    """Compute by how much the mean squared error grows when a field is shuffled among the rows.

    This is the permutation importance (Breiman 2001). For a classifier the error is the Brier
    score.
    """
    random = np.random.Generator(np.random.Philox(5))

    def error(columns: Columns) -> float:
        scores = candidate.runtime.score({**rows.columns, **columns})
        return float(np.mean(squared_errors(rows.y, scores)))

    unshuffled, result = error({}), {}
    for name in seam.terms.fields.names:
        shuffled = [
            error({name: rows.columns[name][random.permutation(len(rows))]})
            for _ in range(SHUFFLES)
        ]
        result[name] = float(np.mean(shuffled)) - unshuffled
    return result
