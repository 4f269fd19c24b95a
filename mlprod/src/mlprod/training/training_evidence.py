"""What a training shows, written down as evidence for the readiness."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..bundle.manifest import Estimate
from ..contract.schema import Columns
from ..contract.validation import CheckReport
from ..governance.check_catalogue import Subject
from ..governance.evidence import Evidence
from ..governance.gates import Figure, Verdict
from ..project.project import Seam
from .bundle_builder import Candidate
from .dataset import Dataset
from .evidence_store import finding

SHUFFLES = 5  # of each field; their mean is what the field is worth

Measured = Mapping[tuple[str, str, str], Figure]


def of_data(seam: Seam, report: CheckReport, digests: dict[Subject, str]) -> list[Evidence]:
    """Does the data hold its contract, and are these real rows?"""
    message = "the example's made-up rows" if seam.made_up else "real rows"
    return [
        finding("contract-holds", report.ok, digests, f"{report.rows:,} rows"),
        finding("data-is-real", not seam.made_up, digests, message),
    ]


def of_training(
    seam: Seam,
    candidate: Candidate,
    test: Dataset,
    measured: Measured,
    verdicts: Sequence[Verdict],
    lacks: Sequence[str],
    commit: str,
    simpler: Estimate | None,
    digests: dict[Subject, str],
) -> list[Evidence]:
    """What a candidate that passed its gates has shown.

    `lacks`: what its card does not say; `commit` as git describes it; `simpler`: by how much a
    model is worth more than a linear one.
    """
    applied = [verdict for verdict in verdicts if verdict.passed is not None]
    clean = bool(commit) and not commit.endswith("-dirty")
    records = [
        finding("gates-passed", all(v.passed for v in applied), digests, f"{len(applied)} gates"),
        finding("card-complete", not lacks, digests, "; ".join(lacks)[:500] or "all said"),
        finding(
            "trained-from-a-commit",
            clean,
            digests,
            commit[:12] if clean else "files that are not committed",
        ),
        finding("split-by-time", test.at is not None, digests),
        finding(
            "scores-stay-finite", True, digests, f"{len(test):,} rows and as many made-up ones"
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
        f"{name} ({worth:.2g})"
        for name, worth in worth_of_fields(seam, candidate, test).items()
        if worth <= 0
    ]
    message = (
        f"scores are no worse without {', '.join(idle)}"
        if idle
        else "scores are worse without any of them"
    )
    return [*records, finding("fields-earn-their-place", not idle, digests, message[:500])]


def worth_of_fields(seam: Seam, candidate: Candidate, rows: Dataset) -> dict[str, float]:
    """By how much the mean squared error of the scores grows when a field is shuffled among the
    rows (permutation importance, Breiman 2001; for a classifier this is the Brier score).
    """
    random = np.random.Generator(np.random.Philox(5))

    def error(columns: Columns) -> float:
        scores = candidate.runtime.score({**rows.columns, **columns})
        return float(np.mean((scores - rows.y) ** 2))

    whole, grown = error({}), {}
    for name in seam.terms.fields.names:
        shuffled = [
            error({name: rows.columns[name][random.permutation(len(rows))]})
            for _ in range(SHUFFLES)
        ]
        grown[name] = float(np.mean(shuffled)) - whole
    return grown
