"""Refit: the model that passed the gates is fitted again on all rows, the test rows included."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..bundle.manifest import Parity, Refit
from ..bundle.runtime import Scores
from ..governance.gates import Figure, Gate, GateVerdict, judge_gates
from ..project.project import Seam
from .bundle_builder import Candidate
from .candidates import Say, fit_and_export
from .comparison import exact_figure
from .dataset import Dataset
from .split import Split

REFIT_METRIC, PARITY_METRIC = "refit_difference", "parity_difference"
# It applies unless gates.yaml has a gate on the same metric. Half a standard deviation is a medium
# effect, "visible to the naked eye of a careful observer" (Cohen 1988). The test rows are new for
# one of the two models, so some difference is normal.
DEFAULT_GATE = Gate(
    id="refit-agrees",
    metric=REFIT_METRIC,
    op="<=",
    threshold=0.5,
    why="the figures of the evaluated model must also describe the refitted one that serves",
)


def refit(
    seam: Seam, rows: Dataset, parts: Split, candidate: Candidate, megabytes: int, say: Say
) -> tuple[Candidate, Refit]:
    """Fit and export the model again on all rows; its threshold is that of the candidate.

    Its parity is the worse of both. Raises what make_model() raises, and ValueError without
    EVENT_TIME.
    """
    if rows.at is None:
        raise ValueError("a refit needs rows with EVENT_TIME")
    test = rows.subset(parts.test)
    runtime, files, parity = fit_and_export(seam, rows, test, megabytes, say)
    difference = score_difference(
        candidate.runtime.score(test.columns), runtime.score(test.columns)
    )
    say(
        f"refit      on all {len(rows):,} rows, until {rows.at.max()}: scores of the test rows "
        f"differ by {difference:.2g} standard deviations"
    )
    return (
        replace(candidate, runtime=runtime, files=files, parity=_worse(candidate.parity, parity)),
        Refit(
            evaluated_until=str(rows.at[parts.train].max()),
            evaluated_rows=len(parts.train),
            rows=len(rows),
            difference=difference,
        ),
    )


def score_difference(evaluated: Scores, refitted: Scores) -> float:
    """Return the mean absolute difference in standard deviations of the evaluated scores.

    It is a standardized difference (Cohen 1988). Without any spread it is 0 for equal scores, and
    else the largest float.
    """
    difference, spread = float(np.mean(np.abs(evaluated - refitted))), float(np.std(evaluated))
    if difference == 0:
        return 0.0
    return round(difference / spread, 9) if spread > 0 else float(np.finfo(np.float64).max)


def judge_refit(
    gates: Sequence[Gate], verdicts: Sequence[GateVerdict], refitted: Candidate, result: Refit
) -> list[GateVerdict]:
    """Return the verdicts, with those on the refit and on the export of the refitted model.

    Without a gate on the refit DEFAULT_GATE is used; without any gates nothing is judged.
    """
    if not gates:
        return list(verdicts)
    own = [gate for gate in gates if gate.metric == REFIT_METRIC] or [DEFAULT_GATE]
    exported = [gate for gate in gates if gate.metric == PARITY_METRIC]
    measured: dict[tuple[str, str, str], Figure] = {}
    measured["absolute", REFIT_METRIC, ""] = exact_figure(result.difference, result.rows)
    if refitted.parity:
        worst = refitted.parity.max_difference
        measured["absolute", PARITY_METRIC, ""] = exact_figure(worst, refitted.parity.rows)
    again = judge_gates((*exported, *own), measured, {})
    return list(({v.gate.id: v for v in verdicts} | {v.gate.id: v for v in again}).values())


def _worse(first: Parity | None, second: Parity) -> Parity:
    return max(first or second, second, key=lambda parity: parity.max_difference)
