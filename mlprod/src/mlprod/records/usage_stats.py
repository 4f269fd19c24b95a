"""What the records say of the use of the system, over all people together. No figure is of one person."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, func, select

from .database import now
from .smoke import of_cases
from .store import Store
from .tables import feedback, outcomes, predictions

LATELY = timedelta(days=28)


@dataclass(frozen=True)
class Usage:
    """`days` with cases and `cases` in a mode, ever; of the last 28 days: its cases with feedback, how many of them
    somebody overrode, and the outcomes received."""

    days: int
    cases: int
    judged: int
    overridden: int
    outcomes: int
    joined: int

    @property
    def override_rate(self) -> float | None:
        return self.overridden / self.judged if self.judged else None

    @property
    def joined_share(self) -> float | None:
        """Share of the outcomes whose prediction is known."""
        return self.joined / self.outcomes if self.outcomes else None


def usage(store: Store, mode: str) -> Usage:
    """Of the cases decided in `mode`. Raises StoreAway."""
    since = now() - LATELY
    in_mode = (predictions.c.mode == mode) & of_cases(predictions)
    cases = select(func.count(func.distinct(func.date(predictions.c.at))), func.count()).where(in_mode)
    about = feedback.c.prediction_id
    overridden = case((feedback.c.verdict == "overridden", about))
    judged = (
        select(func.count(func.distinct(about)), func.count(func.distinct(overridden)))
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
