"""The result of a parity comparison: sentences for a newcomer, and all rows as CSV."""

import csv
import io
from collections import Counter
from collections.abc import Iterator

from .parity import EQUAL, ParityResult
from .parity_reasons import LEARNED, UNEXPLAINED

HEAD = ("status", "predictions_file", "project", "difference", "decision", "part", "reason")
# Reasons of one kind that the summary shows.
MAX_REASONS = 5
MEANING = {
    "other value": "the file has other values of the fields, and they explain the score",
    "float32": "a value lies at a border of the model, and models compute in float32",
    "filled in": "the notebook leaves a field out, or fills in missing values differently",
    LEARNED: "the project's model learned these rows, so compare the test rows instead",
    "contract violation": "the service would refuse these rows",
    "unknown id": "load() has no such row",
    UNEXPLAINED: "nothing that was tried explains the score",
}


def describe_parity(result: ParityResult, model: str) -> Iterator[str]:
    """Yield the summary."""
    rows, compared = result.rows, result.compared
    yield f"{len(rows):,} predictions, {len(compared):,} of them compared with {model}"
    reach = f", or {result.tolerance:.2g} because of rounding" if result.tolerance else ""
    yield f"{result.count(EQUAL):,} equal, within 1e-05 for a score of about one{reach}"
    for status, meaning in MEANING.items():
        if count := result.count(status):
            yield f"{count:,} {status}: {meaning}"
            reasons = Counter(row.reason for row in rows if row.status == status)
            for reason, times in reasons.most_common(MAX_REASONS):
                yield f"  {times:,} x {reason}"
            if len(reasons) > MAX_REASONS:
                yield f"  and {len(reasons) - MAX_REASONS:,} more reasons"
    if compared:
        largest = max(compared, key=lambda row: abs(row.theirs - (row.ours or 0.0)))
        gap = abs(largest.theirs - (largest.ours or 0.0))
        changed = sum(row.other_decision for row in compared)
        yield f"the largest difference is {gap:.3g}, of {largest.id!r}"
        yield f"{changed:,} of {len(compared):,} rows would get another decision"
    if not any(row.status != LEARNED for row in compared):
        yield "nothing was shown: the file needs ids of load() that the model did not learn"
    yield from (f"note: {note}" for note in result.notes)


def parity_table(result: ParityResult, id_name: str) -> bytes:
    """Return all rows as CSV, in the order of the file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((id_name, *HEAD))
    for row in result.rows:
        own = () if row.ours is None else (row.ours, row.theirs - row.ours)
        figures = own or ("", "")
        decision = "" if row.ours is None else "other" if row.other_decision else "same"
        writer.writerow((row.id, row.status, row.theirs, *figures, decision, row.part, row.reason))
    return text.getvalue().encode()
