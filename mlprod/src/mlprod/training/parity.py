"""Parity of a notebook's predictions with the project: the same ids through the same bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from ..bundle.loader import Bundle
from ..bundle.runtime import Scores
from ..contract.classes import decide_inputs, top_scores
from ..contract.encoding import column
from ..contract.schema import Columns
from ..contract.validation import first_violation, prepare
from ..project.project import Seam
from .dataset import collect
from .own_split import split_rows
from .parity_reasons import LEARNED, UNEXPLAINED, Differences, explain, is_close
from .predictions import NotebookScores
from .sources import cells_of, load_table
from .split import LeakageError, SplitError

EQUAL = "equal"


@dataclass(frozen=True)
class ParityRow:
    """One prediction of the notebook, beside the score of the project.

    For a label with classes both are the largest probability of the row.
    `status` is "equal", "unexplained" or the kind of the reason; `reason` describes it.
    """

    id: str
    theirs: float
    ours: float | None
    status: str
    reason: str = ""
    part: str = ""
    other_decision: bool = False


@dataclass(frozen=True)
class ParityResult:
    """All rows of a comparison, and notes about the file and the data."""

    rows: list[ParityRow]
    tolerance: float
    notes: list[str] = field(default_factory=list)

    def count(self, status: str) -> int:
        """Return the number of rows with this status."""
        return sum(row.status == status for row in self.rows)

    @property
    def compared(self) -> list[ParityRow]:
        """The rows that both sides scored."""
        return [row for row in self.rows if row.ours is not None]

    @property
    def passed(self) -> bool:
        """Whether no difference remains unexplained, and a row shows more than what was learned."""
        shown = any(row.status != LEARNED for row in self.compared)
        return shown and self.count(UNEXPLAINED) == 0


def compare_predictions(seam: Seam, bundle: Bundle, predictions: NotebookScores) -> ParityResult:
    """Score the rows of load() that the file names, and compare.

    Scores are equal within 1e-5 for a score of about one, or within half of the last decimal if
    the file is rounded.
    """
    terms, notes = seam.terms, list(predictions.notes)
    loaded = load_table(seam.load)
    table = prepare(loaded, terms)
    names = [terms.id, *terms.fields.names]
    arrow = table.select(*names, _refused=first_violation(table, terms)).to_pyarrow()
    wanted = set(predictions.ids)
    is_wanted = [str(id) in wanted for id in arrow[terms.id].to_pylist()]
    arrow = arrow.filter(pa.array(is_wanted, pa.bool_()))
    place_of = {str(id): place for place, id in enumerate(arrow[terms.id].to_pylist())}
    refused = arrow["_refused"].to_pylist()
    columns = {item.name: column(item, cells_of(item, arrow[item.name])) for item in terms.fields}
    known = [
        (row, place)
        for row, id in enumerate(predictions.ids)
        if (place := place_of.get(id)) is not None and refused[place] is None
    ]
    rows = np.array([row for row, _ in known], dtype=np.intp)
    places = np.array([place for _, place in known], dtype=np.intp)
    ours = {name: values[places] for name, values in columns.items()}
    scores = bundle.runtime.score(ours) if len(rows) else predictions.scores[:0]
    theirs = predictions.scores[rows]
    close = is_close(scores, theirs, predictions.tolerance)
    parts, learned = _parts(seam, bundle, loaded, notes)
    differences = Differences(
        fields=terms.fields,
        personal=terms.personal,
        score=bundle.runtime.score,
        ours={name: values[~close] for name, values in ours.items()},
        learned=learned,
        theirs={name: values[rows][~close] for name, values in predictions.fields.items()},
        wanted=theirs[~close],
        parts=[parts.get(predictions.ids[row], "") for row in rows[~close]],
        tolerance=predictions.tolerance,
    )
    reasons = iter(explain(differences))
    by_row: dict[int, ParityRow] = {}
    shown, own = top_scores(predictions.scores).tolist(), top_scores(scores).tolist()
    decisions = zip(_decisions(seam, bundle, scores), _decisions(seam, bundle, theirs), strict=True)
    for position, (row, (mine, other)) in enumerate(zip(rows.tolist(), decisions, strict=True)):
        status, reason = (EQUAL, "") if close[position] else next(reasons)
        id = predictions.ids[row]
        part, changed = parts.get(id, ""), mine != other
        by_row[row] = ParityRow(id, shown[row], own[position], status, reason, part, changed)
    result = [
        by_row.get(row) or _not_scored(id, shown[row], place_of, refused)
        for row, id in enumerate(predictions.ids)
    ]
    return ParityResult(result, predictions.tolerance, notes)


def _decisions(seam: Seam, bundle: Bundle, scores: Scores) -> list[Any]:
    decide = bundle.decide or seam.decide
    given = decide_inputs(seam.terms.classes, scores)
    return [decide(score, bundle.manifest.threshold) for score in given]


def _not_scored(
    id: str, score: float, place_of: dict[str, int], refused: Sequence[str | None]
) -> ParityRow:
    if id not in place_of:
        return ParityRow(id, score, None, "unknown id", "load() has no row with this id")
    reason = f"breaks the contract: {refused[place_of[id]]}"
    return ParityRow(id, score, None, "contract violation", reason)


def _parts(
    seam: Seam, bundle: Bundle, table: ir.Table, notes: list[str]
) -> tuple[dict[str, str], Columns]:
    """Return id → part of the split for labeled rows, and the columns of the training part."""
    dataset = collect(table, seam.terms)
    if dataset.digest() != bundle.manifest.digests["data"]:
        notes.append(
            "load() now has other labeled rows than at the training, so a row may have been in "
            "another part then"
        )
    try:
        parts = split_rows(seam, dataset)
    except (SplitError, LeakageError) as error:
        notes.append(f"it is unknown which rows the model learned: {error}")
        return {}, dataset.columns
    ids = dataset.units if dataset.ids is None else dataset.ids
    part_of = {str(ids[place]): name for name, part in vars(parts).items() for place in part}
    return part_of, dataset.subset(parts.train).columns
