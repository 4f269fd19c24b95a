"""What is counted of an outcome: the service adds it to its counters, monitoring sums it over the
records.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple, get_args

from ..modes import DecisionMode

Payoff = Callable[[Any, float, Mapping[str, Any]], float]
"""The project's payoff(decision, outcome, row): what a decision was worth, in money."""
Verdict = Literal["accepted", "edited", "overridden"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
BINS = (
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.2,
    0.3,
    0.5,
    0.7,
    0.9,
    1.0,
)  # upper ends, finer where events are rare
NUMBER = "number"  # stands for every decision and outcome of a regression
OTHER = "(other)"  # for an outcome of a classifier that is neither 0 nor 1, as old records may hold
JOINS_WITHIN = timedelta(
    days=1
)  # an outcome whose prediction has not come by then was decided without the system
FEWEST_PEOPLE = 5  # a number of fewer people is not shown: it could point at one of them


class OutcomeFigures(NamedTuple):
    """One outcome beside its prediction.

    `label` is the outcome as text. `bin` is the upper end of the score's bin in BINS, None for a
    score that is no probability. `payoff` is None where payoff() gave no finite number; then
    `failure` says why.
    """

    score: float
    outcome: float
    decision: str
    label: str
    squared_error: float
    bin: float | None
    payoff: float | None
    failure: str = ""

    @property
    def direction(self) -> str:
        return "gain" if (self.payoff or 0) >= 0 else "loss"


def figures_of(
    score: float,
    decision: str,
    outcome: float,
    row: Mapping[str, Any],
    payoff: Payoff,
    *,
    binary: bool,
) -> OutcomeFigures:
    """The figures of one outcome.

    `decision` is text, as recorded; payoff() of a regression gets it as a number.
    """
    error = score - outcome
    end = BINS[bisect_left(BINS, score)] if binary and 0 <= score <= 1 else None
    names = (
        (decision, f"{outcome:g}" if outcome in (0, 1) else OTHER) if binary else (NUMBER, NUMBER)
    )
    money, failure = None, ""
    try:
        money = float(payoff(decision if binary else float(decision), outcome, row))
        if not math.isfinite(money):
            money, failure = None, f"it gave {money}"
    except (
        Exception
    ) as problem:  # the project's own code may raise anything, for example for a field not recorded
        failure = f"{type(problem).__name__}: {problem}"
    # error ** 2 raises where the square is infinite
    return OutcomeFigures(score, outcome, *names, error * error, end, money, failure)


class Key(NamedTuple):
    model_version: str
    arm: str
    mode: str


@dataclass
class OutcomeStats:
    """Sums over outcomes.

    `confusion` counts (decision, outcome); `calibration` holds for each of BINS the rows, the sum
    of their scores and the sum of their outcomes; money is that of payoff().
    """

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

    def add_outcome(self, figures: OutcomeFigures) -> None:
        self.confusion[figures.decision, figures.label] += 1
        self.squared_error += figures.squared_error
        if figures.bin is not None:
            self._add_bin(figures.bin, [1.0, figures.score, figures.outcome])
        if (money := figures.payoff) is None:
            self.failures += 1
            return
        self.gain, self.loss = self.gain + max(money, 0.0), self.loss + max(-money, 0.0)
        self.squared_money, self.paid = self.squared_money + money * money, self.paid + 1

    def add(self, other: "OutcomeStats") -> None:
        self.confusion += other.confusion
        for end, sums in other.calibration.items():
            self._add_bin(end, sums)
        for name in ("squared_error", "gain", "loss", "squared_money", "paid", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def _add_bin(self, end: float, sums: list[float]) -> None:
        mine = self.calibration.get(end, [0.0, 0.0, 0.0])
        self.calibration[end] = [a + b for a, b in zip(mine, sums, strict=True)]


def merge(parts: Mapping[Key, OutcomeStats], **wanted: str) -> OutcomeStats:
    """The sum of the parts whose key has these values, for example model_version="3"."""
    whole = OutcomeStats()
    for key, part in parts.items():
        if all(getattr(key, name) == value for name, value in wanted.items()):
            whole.add(part)
    return whole


def acted_upon(parts: Mapping[Key, OutcomeStats]) -> OutcomeStats:
    """The sum of what was acted upon: all but shadow."""
    return merge({key: part for key, part in parts.items() if key.mode != DecisionMode.SHADOW})


def override_rate(overridden: int, judged: int) -> float | None:
    """Share of the judged that people overrode; None while nothing was judged."""
    return overridden / judged if judged else None
