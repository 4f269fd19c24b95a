"""Statistics of the use of the system, over all people together.

No figure describes one person.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from .database import now
from .outcome_stats import JOIN_WINDOW, MIN_PEOPLE, override_rate
from .smoke import of_cases
from .store import Store
from .tables import feedback, outcomes, predictions

LOOKBACK = timedelta(days=28)
ACTIVE_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Usage:
    """The use of the system in one mode.

    `days` with cases and `cases` count since the beginning. The other figures are of the last 28
    days: `judged` are cases with feedback, `overridden` those of them that somebody overrode,
    `outcomes` the received outcomes, and `joined` those of them whose prediction is known.
    """

    days: int
    cases: int
    judged: int
    overridden: int
    outcomes: int
    joined: int

    @property
    def override_rate(self) -> float | None:
        return override_rate(self.overridden, self.judged)

    @property
    def joined_share(self) -> float | None:
        """The share of the outcomes whose prediction is known; None if there are no outcomes."""
        return self.joined / self.outcomes if self.outcomes else None


def usage(store: Store, mode: str) -> Usage:
    """Compute the use of the system in `mode`. Raises StoreUnavailableError."""
    since = now() - LOOKBACK
    in_mode = (predictions.c.mode == mode) & of_cases(predictions)
    cases = select(func.count(func.distinct(func.date(predictions.c.at))), func.count()).where(
        in_mode
    )
    subject = feedback.c.prediction_id
    overridden = case((feedback.c.verdict == "overridden", subject))
    judged = (
        select(func.count(func.distinct(subject)), func.count(func.distinct(overridden)))
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(in_mode, feedback.c.at >= since)
    )
    known = (
        select(func.count(), func.count(predictions.c.id))
        .select_from(outcomes.outerjoin(predictions, predictions.c.id == outcomes.c.prediction_id))
        .where(outcomes.c.received_at >= since, of_cases(outcomes))
    )
    with store.reading() as connection:
        rows = [connection.execute(query).one() for query in (cases, judged, known)]
    return Usage(*(int(value) for row in rows for value in row))


def verdicts(store: Store, since: datetime) -> dict[tuple[str, str], Counter[str]]:
    """Count the feedback on known predictions since then: (model version, arm) → verdicts.

    Like the service's counters it counts each feedback. `usage` counts each case once, however
    often it was judged.

    Raises StoreUnavailableError.
    """
    by = (predictions.c.model_version, predictions.c.arm, feedback.c.verdict)
    query = (
        select(*by, func.count())
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(feedback.c.at >= since, of_cases(predictions))
        .group_by(*by)
    )
    counts: dict[tuple[str, str], Counter[str]] = {}
    with store.reading() as connection:
        for version, arm, verdict, count in connection.execute(query):
            counts.setdefault((version, arm), Counter())[verdict] += count
    return counts


def decision_paths(store: Store, since: datetime, until: datetime) -> dict[str, int]:
    """Count the outcomes since then by how the case was decided: with the model, or manually.

    An outcome without a known prediction counts as manual if it arrived more than JOIN_WINDOW
    before `until`. Raises StoreUnavailableError.
    """
    query = (
        select(func.count(predictions.c.id), func.count())
        .select_from(outcomes.outerjoin(predictions, predictions.c.id == outcomes.c.prediction_id))
        .where(outcomes.c.received_at >= since, of_cases(outcomes))
        .where(predictions.c.id.is_not(None) | (outcomes.c.received_at < until - JOIN_WINDOW))
    )
    with store.reading() as connection:
        by_model, total = connection.execute(query).one()
    return {"model": int(by_model), "manual": int(total) - int(by_model)}


def active_reviewers(store: Store, until: datetime) -> int | None:
    """Count the people who gave feedback in the seven days before `until`.

    Returns None for fewer than MIN_PEOPLE. Pseudonyms change each month, so a week in two months
    has two counts; the larger one is returned. Raises StoreUnavailableError.
    """
    since, month = (
        until - ACTIVE_WITHIN,
        until.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
    )
    people = select(func.count(func.distinct(feedback.c.pseudonym))).where(of_cases(feedback))
    with store.reading() as connection:
        counts = [
            int(
                connection.execute(
                    people.where(feedback.c.at >= start, feedback.c.at < end)
                ).scalar_one()
            )
            for start, end in ((since, max(since, month)), (max(since, month), until))
        ]
    return most if (most := max(counts)) >= MIN_PEOPLE else None
