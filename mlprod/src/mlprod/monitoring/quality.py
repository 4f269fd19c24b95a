"""What real cases say of the model: outcomes joined with their predictions, summed as the service's counters are.

The records hold the last outcome told of a case; the counters keep the first, since a counter cannot fall. Where
outcomes were corrected the two differ by those.
"""

import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, func, select, tuple_

from ..modes import DecisionMode
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import feedback, outcomes, predictions

Payoff = Callable[[Any, float, Mapping[str, Any]], float]
BINS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)  # upper ends, finer where events are rare
NUMBER = "number"  # stands for every decision or outcome that is no word
PIECE = 50_000
JOINS_WITHIN = timedelta(days=1)  # an outcome whose prediction has not come by then was decided without the system
FEWEST_PEOPLE = 5  # of whom something may be told


class Key(NamedTuple):
    model_version: str
    arm: str
    mode: str


@dataclass
class Told:
    """Sums over the outcomes of one model version, arm and mode. `confusion` counts (decision, outcome), and
    `calibration` holds for each of BINS rows, sum of scores, sum of outcomes; money is that of payoff()."""

    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    squared_error: float = 0.0
    calibration: dict[float, list[float]] = field(default_factory=dict)
    gain: float = 0.0
    loss: float = 0.0
    squared_money: float = 0.0
    paid: int = 0  # outcomes with money
    failures: int = 0  # payoff() raised, or gave no finite number

    @property
    def cases(self) -> int:
        return self.confusion.total()

    @property
    def net(self) -> float:
        return self.gain - self.loss

    @property
    def mean_squared_error(self) -> float:
        return self.squared_error / self.cases if self.cases else math.nan

    @property
    def money_each(self) -> tuple[float, float]:
        """Mean money of a case, and the standard error of that mean; rows are taken as independent."""
        if self.paid < 2:
            return math.nan, math.inf
        mean = self.net / self.paid
        spread = max(self.squared_money - self.paid * mean * mean, 0.0) / (self.paid - 1)
        return mean, math.sqrt(spread / self.paid)

    def add(self, other: "Told") -> None:
        self.confusion += other.confusion
        for end, sums in other.calibration.items():
            mine = self.calibration.setdefault(end, [0.0, 0.0, 0.0])
            mine[:] = [a + b for a, b in zip(mine, sums, strict=True)]
        for name in ("squared_error", "gain", "loss", "squared_money", "paid", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def told(store: Store, payoff: Payoff, *, binary: bool, since: datetime, until: datetime) -> dict[Key, Told]:
    """Of the outcomes received from `since` until before `until` (UTC) whose prediction is known. Raises StoreAway."""
    found: dict[Key, Told] = {}
    for key, score, decision, outcome, row in _joined(store, since, until):
        each = found.setdefault(key, Told())
        taken = decision if binary else _number(decision)
        shown = (decision if isinstance(taken, str) else NUMBER, f"{outcome:.0f}" if binary else NUMBER)
        each.confusion[shown] += 1
        each.squared_error += (score - outcome) * (score - outcome)  # ** raises where this is infinite
        if binary:
            end = BINS[min(bisect_left(BINS, score), len(BINS) - 1)]
            sums = each.calibration.setdefault(end, [0.0, 0.0, 0.0])
            sums[0], sums[1], sums[2] = sums[0] + 1, sums[1] + score, sums[2] + outcome
        money = _money(payoff, taken, outcome, row)
        if money is None:
            each.failures += 1
            continue
        each.gain, each.loss = each.gain + max(money, 0.0), each.loss + max(-money, 0.0)
        each.squared_money, each.paid = each.squared_money + money * money, each.paid + 1
    return found


def together(parts: Mapping[Key, Told], **wanted: str) -> Told:
    """The sum of the parts whose key says so, for example model_version="3"."""
    whole = Told()
    for key, part in parts.items():
        if all(getattr(key, name) == value for name, value in wanted.items()):
            whole.add(part)
    return whole


def earned(parts: Mapping[Key, Told]) -> Told:
    """The sum of what was acted upon: all but shadow."""
    return together({key: part for key, part in parts.items() if key.mode != DecisionMode.SHADOW})


def verdicts(store: Store, since: datetime) -> dict[tuple[str, str], Counter[str]]:
    """(model version, arm) → what people did with decisions: feedback since then whose prediction is known."""
    by = (predictions.c.model_version, predictions.c.arm, feedback.c.verdict)
    asked = (
        select(*by, func.count())
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(feedback.c.at >= since, of_cases(predictions))
        .group_by(*by)
    )
    found: dict[tuple[str, str], Counter[str]] = {}
    with store.reading() as connection:
        for version, arm, verdict, count in connection.execute(asked):
            found.setdefault((version, arm), Counter())[verdict] += count
    return found


def ways(store: Store, since: datetime, now: datetime) -> dict[str, int]:
    """Outcomes since then by the way their case took: with the system (ai), or around it (manual)."""
    known = (
        select(func.count(predictions.c.id), func.count())
        .select_from(outcomes.outerjoin(predictions, predictions.c.id == outcomes.c.prediction_id))
        .where(outcomes.c.received_at >= since, of_cases(outcomes))
        .where(predictions.c.id.is_not(None) | (outcomes.c.received_at < now - JOINS_WITHIN))
    )
    with store.reading() as connection:
        ai, all_of_them = connection.execute(known).one()
    return {"ai": int(ai), "manual": int(all_of_them) - int(ai)}


def scored(store: Store, since: datetime, until: datetime) -> tuple[int, int]:
    """Cases scored from `since` until before `until`, and how many of them have an outcome by now."""
    asked = (
        select(func.count(), func.count(outcomes.c.prediction_id))
        .select_from(predictions.outerjoin(outcomes, predictions.c.id == outcomes.c.prediction_id))
        .where(predictions.c.at >= since, predictions.c.at < until, of_cases(predictions))
    )
    with store.reading() as connection:
        cases, known = connection.execute(asked).one()
    return int(cases), int(known)


def reviewers(store: Store, now: datetime) -> int | None:
    """Different people with feedback in the last seven days; None while under five, of whom nothing is told.

    A pseudonym lasts a calendar month: where two months touch, the larger of both counts.
    """
    since, first = now - timedelta(days=7), now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    people = select(func.count(func.distinct(feedback.c.pseudonym))).where(of_cases(feedback))
    with store.reading() as connection:
        counts = [
            connection.execute(people.where(feedback.c.at >= start, feedback.c.at < end)).scalar_one()
            for start, end in ((since, max(since, first)), (max(since, first), now))
        ]
    return most if (most := max(counts)) >= FEWEST_PEOPLE else None


def _joined(store: Store, since: datetime, until: datetime) -> Iterator[tuple[Key, float, str, float, dict[str, Any]]]:
    place = tuple_(outcomes.c.received_at, outcomes.c.prediction_id)
    asked = (
        select(
            outcomes.c.received_at, outcomes.c.prediction_id, predictions.c.model_version, predictions.c.arm,
            predictions.c.mode, predictions.c.score, predictions.c.decision, outcomes.c.outcome,
            cast(predictions.c.row, Text),
        )
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(outcomes.c.received_at < until, of_cases(predictions))
        .order_by(outcomes.c.received_at, outcomes.c.prediction_id)
        .limit(PIECE)
    )  # fmt: skip
    after = outcomes.c.received_at >= since
    while True:
        with store.reading() as connection:
            rows = connection.execute(asked.where(after)).all()
        for _, _, version, arm, mode, score, decision, outcome, row in rows:
            yield Key(version, arm, mode), score, decision, outcome, json.loads(row)
        if len(rows) < PIECE:
            return
        after = place > tuple_(rows[-1][0], rows[-1][1])


def _money(payoff: Payoff, decision: Any, outcome: float, row: Mapping[str, Any]) -> float | None:
    try:
        money = float(payoff(decision, outcome, row))
    except Exception:  # whatever the domain's function raises, for example for a field that is not recorded
        return None
    return money if math.isfinite(money) else None


def _number(decision: str) -> float | str:
    try:
        return float(decision)
    except ValueError:
        return decision
