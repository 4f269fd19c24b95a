"""Quality on real cases: outcomes joined with their predictions.

The sums are those of the service's counters. The records hold the last outcome of a case. The
counters keep the first one, since a counter cannot fall. If outcomes were corrected, the two differ
by the corrections.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, func, select, tuple_

from ..contract.classes import Classes, classes_by_name
from ..records.class_figures import compute_class_figures
from ..records.outcome_stats import OutcomeStats, Payoff, StatsKey, compute_figures
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import outcomes, predictions

CHUNK_ROWS = 50_000


def outcome_stats(
    store: Store,
    payoff: Payoff,
    *,
    binary: bool,
    since: datetime,
    until: datetime,
    classes: Classes = (),
) -> dict[StatsKey, OutcomeStats]:
    """Sum the outcomes received from `since` until before `until` (UTC) whose prediction is known.

    `classes` are those of the contract; an outcome of a class, for a prediction with scores by
    class, has its own figures. Raises StoreUnavailableError.
    """
    stats: dict[StatsKey, OutcomeStats] = {}
    by_name = classes_by_name(classes)
    for key, given, outcome, row in _outcomes_with_predictions(store, since, until):
        if bool(given.scores) != bool(outcome.outcome_class):
            # A number for a prediction of classes, or the reverse: the task changed in between.
            continue
        if given.scores and outcome.outcome_class:
            figures = compute_class_figures(
                given.scores, given.decision, outcome.outcome_class, row, payoff, by_name
            )
        else:
            figures = compute_figures(
                given.score, given.decision, outcome.outcome, row, payoff, binary=binary
            )
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


class _Given(NamedTuple):
    """What was answered."""

    score: float
    decision: str
    scores: dict[str, float] | None


class _Known(NamedTuple):
    """What is known now."""

    outcome: float
    outcome_class: str | None


def _outcomes_with_predictions(
    store: Store, since: datetime, until: datetime
) -> Iterator[tuple[StatsKey, _Given, _Known, dict[str, Any]]]:
    place = tuple_(outcomes.c.received_at, outcomes.c.prediction_id)
    requested = (
        select(
            outcomes.c.received_at, outcomes.c.prediction_id,
            predictions.c.model_version, predictions.c.arm, predictions.c.mode,
            predictions.c.score, predictions.c.decision, predictions.c.scores,
            outcomes.c.outcome, outcomes.c.outcome_class, cast(predictions.c.row, Text),
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
        for _, _, version, arm, mode, score, decision, scores, outcome, outcome_class, row in rows:
            yield (
                StatsKey(version, arm, mode),
                _Given(score, decision, scores),
                _Known(outcome, outcome_class),
                json.loads(row),
            )
        if len(rows) < CHUNK_ROWS:
            return
        after = place > tuple_(rows[-1][0], rows[-1][1])
