"""Quality on real cases: outcomes joined with their predictions.

The sums are those of the service's counters. The records hold the last outcome of a case. The
counters keep the first one, since a counter cannot fall. If outcomes were corrected, the two differ
by the corrections.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, select, tuple_

from ..records.outcome_stats import OutcomeStats, Payoff, StatsKey, compute_figures
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import outcomes, predictions

CHUNK_ROWS = 50_000


def outcome_stats(
    store: Store, payoff: Payoff, *, binary: bool, since: datetime, until: datetime
) -> dict[StatsKey, OutcomeStats]:
    """Sum the outcomes received from `since` until before `until` (UTC) whose prediction is known.

    Raises StoreUnavailableError.
    """
    stats: dict[StatsKey, OutcomeStats] = {}
    for key, score, decision, outcome, row in _outcomes_with_predictions(store, since, until):
        figures = compute_figures(score, decision, outcome, row, payoff, binary=binary)
        stats.setdefault(key, OutcomeStats()).add_outcome(figures)
    return stats


def count_scored(store: Store, since: datetime, until: datetime) -> tuple[int, int]:
    """Count the cases scored from `since` until before `until`, and those with an outcome."""
    requested = (
        select(func.count(), func.count(outcomes.c.prediction_id))
        .select_from(predictions.outerjoin(outcomes, predictions.c.id == outcomes.c.prediction_id))
        .where(predictions.c.at >= since, predictions.c.at < until, of_cases(predictions))
    )
    with store.reading() as connection:
        cases, known = connection.execute(requested).one()
    return int(cases), int(known)


def _outcomes_with_predictions(
    store: Store, since: datetime, until: datetime
) -> Iterator[tuple[StatsKey, float, str, float, dict[str, Any]]]:
    place = tuple_(outcomes.c.received_at, outcomes.c.prediction_id)
    requested = (
        select(
            outcomes.c.received_at, outcomes.c.prediction_id,
            predictions.c.model_version, predictions.c.arm, predictions.c.mode,
            predictions.c.score, predictions.c.decision, outcomes.c.outcome,
            cast(predictions.c.row, Text),
        )
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(outcomes.c.received_at < until, of_cases(predictions))
        .order_by(outcomes.c.received_at, outcomes.c.prediction_id)
        .limit(CHUNK_ROWS)
    )  # fmt: skip
    after = outcomes.c.received_at >= since
    while True:
        with store.reading() as connection:
            rows = connection.execute(requested.where(after)).all()
        for _, _, version, arm, mode, score, decision, outcome, row in rows:
            yield StatsKey(version, arm, mode), score, decision, outcome, json.loads(row)
        if len(rows) < CHUNK_ROWS:
            return
        after = place > tuple_(rows[-1][0], rows[-1][1])
