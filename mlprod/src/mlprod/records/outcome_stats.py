"""Statistics of outcomes: the service adds them to its counters, monitoring sums them over the
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

Payoff = Callable[[Any, Any, Mapping[str, Any]], float]
"""The project's payoff(decision, outcome, row): the value of a decision in money."""
Verdict = Literal["accepted", "edited", "overridden"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# Upper ends of the calibration bins. They are finer near 0, because events are often rare.
BINS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
# the label of every decision and outcome of a regression
NUMBER = "number"
# the label of a classifier's outcome that is neither 0 nor 1; old records may have such outcomes
OTHER = "(other)"
# If its prediction has not arrived by then, an outcome was decided without the system.
JOIN_WINDOW = timedelta(days=1)
# A count of fewer people is not shown, because it could identify one of them.
MIN_PEOPLE = 5


class OutcomeFigures(NamedTuple):
    """The figures of one outcome and its prediction.

    `label` is the outcome as text. `bin` is the upper end of the score's bin in BINS, or None for a
    score that is not a probability. `payoff` is None if payoff() returned no finite number; then
    `failure` has the reason.

    For classes, `score` is the largest probability, and `outcome` is 1 if the most probable class
    occurred. `log_loss` is None without classes.
    """

    score: float
    outcome: float
    decision: str
    label: str
    squared_error: float
    bin: float | None
    payoff: float | None
    failure: str = ""
    log_loss: float | None = None

    @property
    def direction(self) -> str:
        return "gain" if (self.payoff or 0) >= 0 else "loss"


def compute_figures(
    score: float,
    decision: str,
    outcome: float,
    row: Mapping[str, Any],
    payoff: Payoff,
    *,
    binary: bool,
) -> OutcomeFigures:
    """Compute the figures of one outcome.

    `decision` is text, as recorded. payoff() of a regression receives it as a number.
    """
    error = score - outcome
    end = BINS[bisect_left(BINS, score)] if binary and 0 <= score <= 1 else None
    names = (
        (decision, f"{outcome:g}" if outcome in (0, 1) else OTHER) if binary else (NUMBER, NUMBER)
    )
    money, failure = try_payoff(
        lambda: payoff(decision if binary else float(decision), outcome, row)
    )
    # error ** 2 raises where the square is infinite
    return OutcomeFigures(score, outcome, *names, error * error, end, money, failure)


def try_payoff(compute: Callable[[], float]) -> tuple[float | None, str]:
    """Return a payoff and "", or None and the reason why it is not a finite number."""
    try:
        money = float(compute())
    except Exception as problem:
        # The project's code may raise anything, for example for a field that is not recorded.
        return None, f"{type(problem).__name__}: {problem}"
    return (money, "") if math.isfinite(money) else (None, f"it returned {money}")


class StatsKey(NamedTuple):
    """The model version, arm and mode of the predictions that statistics are for."""

    model_version: str
    arm: str
    mode: str


@dataclass
class OutcomeStats:
    """Sums over outcomes.

    `confusion` counts (decision, outcome). `calibration` maps each of BINS to the number of rows,
    the sum of their scores and the sum of their outcomes. Money is the result of payoff(). The last
    three are of outcomes with classes: their number, those whose most probable class occurred, and
    the sum of their log losses.
    """

    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    squared_error: float = 0.0
    calibration: dict[float, list[float]] = field(default_factory=dict)
    gain: float = 0.0
    loss: float = 0.0
    squared_money: float = 0.0
    # outcomes with a finite payoff
    paid: int = 0
    # outcomes for which payoff() raised an error or returned no finite number
    failures: int = 0
    classified: int = 0
    correct: int = 0
    log_loss: float = 0.0

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
    def class_quality(self) -> tuple[float, float] | None:
        """The accuracy and the mean log loss of outcomes with classes; None without any."""
        if not self.classified:
            return None
        return self.correct / self.classified, self.log_loss / self.classified

    @property
    def mean_money(self) -> tuple[float, float]:
        """The mean payoff of a case, and the standard error of that mean for independent rows."""
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
        if figures.log_loss is not None:
            self.classified, self.correct = self.classified + 1, self.correct + int(figures.outcome)
            self.log_loss += figures.log_loss
        if (money := figures.payoff) is None:
            self.failures += 1
            return
        self.gain, self.loss = self.gain + max(money, 0.0), self.loss + max(-money, 0.0)
        self.squared_money, self.paid = self.squared_money + money * money, self.paid + 1

    def add(self, other: "OutcomeStats") -> None:
        self.confusion += other.confusion
        for end, sums in other.calibration.items():
            self._add_bin(end, sums)
        names = ("squared_error", "gain", "loss", "squared_money", "paid", "failures")
        for name in (*names, "classified", "correct", "log_loss"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def _add_bin(self, end: float, sums: list[float]) -> None:
        mine = self.calibration.get(end, [0.0, 0.0, 0.0])
        self.calibration[end] = [a + b for a, b in zip(mine, sums, strict=True)]


def merge(parts: Mapping[StatsKey, OutcomeStats], **wanted: str) -> OutcomeStats:
    """Sum the parts whose key has these values, for example model_version="3"."""
    whole = OutcomeStats()
    for key, part in parts.items():
        if all(getattr(key, name) == value for name, value in wanted.items()):
            whole.add(part)
    return whole


def acted_upon(parts: Mapping[StatsKey, OutcomeStats]) -> OutcomeStats:
    """Sum the parts whose decisions were acted upon: all modes but shadow."""
    return merge({key: part for key, part in parts.items() if key.mode != DecisionMode.SHADOW})


def override_rate(overridden: int, judged: int) -> float | None:
    """Return the share of judged cases that people overrode; None if no case was judged."""
    return overridden / judged if judged else None
