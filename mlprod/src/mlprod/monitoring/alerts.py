"""What is wrong today, in words, from figures: the alerts of monitoring/prometheus for those who
watch without it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..bundle.manifest import Estimate
from ..contract.schema import Task
from ..records.outcome_stats import OutcomeStats, override_rate
from . import thresholds
from .distance import ks_critical_value
from .drift import Drift
from .drift_counts import SCORE
from .windows import MONTH, WEEK


@dataclass(frozen=True)
class Alert:
    """`alert` is what Prometheus would raise, `about` what it is of."""

    alert: str
    says: str
    about: str = ""

    @property
    def outcome(self) -> str:
        """Id in governance/ownership.yaml: whose it is."""
        return thresholds.OUTCOMES[self.alert]

    @property
    def id(self) -> str:
        return f"{self.alert}: {self.about}" if self.about else self.alert


def of_drift(drifts: Sequence[Drift]) -> Iterator[Alert]:
    for item in drifts:
        if item.verdict == "drifts" and item.gap is not None and item.allowed is not None:
            alert = "PredictionDrift" if item.name == SCORE else "FeatureDrift"
            says = (
                f"{item.name} is {item.gap:.1%} away from what the model learnt from; "
                f"{item.allowed:.1%} is allowed"
            )
            yield Alert(alert, says, item.name)


def of_inputs(drifts: Sequence[Drift]) -> Iterator[Alert]:
    """Values that fail to come, and words that the model does not know."""
    for item in drifts:
        reference, now = item.reference, item.counted
        if (
            now is None
            or item.missing is None
            or (rows := now.present + now.missing) < thresholds.MIN_INPUT_ROWS
        ):
            continue
        if item.missing > reference.missing + max(
            thresholds.MAX_MISSING_INCREASE, ks_critical_value(rows, reference.rows)
        ):
            says = (
                f"{item.name} is missing in {item.missing:.1%} of the rows; it was in "
                f"{reference.missing:.1%}"
            )
            yield Alert("MissingValues", says, item.name)
        chance = ks_critical_value(now.present, item.learnt)
        if item.unknown is not None and item.unknown > reference.shares[-1] + max(
            thresholds.MAX_UNKNOWN_INCREASE, chance
        ):
            says = f"{item.unknown:.1%} of {item.name} are words that the model does not know"
            yield Alert("UnknownCategories", f"{says}; {reference.shares[-1]:.1%} were", item.name)


def of_people(
    judged: Counter[str], ways: Mapping[str, int], override: float, bypass: float
) -> Iterator[Alert]:
    """Decisions of a week overruled, or taken without the system, more than governance/gates.yaml
    lets them be.
    """
    rate = override_rate(judged["overridden"], judged.total()) or 0.0
    if judged.total() >= thresholds.MIN_JUDGED_DECISIONS and rate > override:
        says = (
            f"{rate:.0%} of {judged.total():,} judged decisions were overruled in 7 days; "
            f"{override:.0%} may be"
        )
        yield Alert("OverrideRateHigh", says)
    cases = sum(ways.values())
    if cases >= thresholds.MIN_CASES and (rate := ways["manual"] / cases) > bypass:
        says = (
            f"{rate:.0%} of {cases:,} cases of 7 days were decided without the system; "
            f"{bypass:.0%} may be"
        )
        yield Alert("BypassHigh", says)


def of_outcomes(now: tuple[int, int], before: tuple[int, int]) -> Iterator[Alert]:
    """(outcomes that came, rows scored) in the last week and in the week before."""
    (received, scored), (came_before, scored_before) = now, before
    if (
        came_before < thresholds.MIN_WEEKLY_OUTCOMES
        or scored < thresholds.MIN_WEEKLY_OUTCOMES
        or not scored_before
    ):
        return
    ratio = thresholds.MIN_OUTCOME_RATIO
    if received < ratio * came_before and received / scored < ratio * came_before / scored_before:
        says = (
            f"{received:,} outcomes came in 7 days for {scored:,} rows scored; {came_before:,} "
            f"for {scored_before:,} before"
        )
        yield Alert("OutcomesMissing", says)


def of_quality(
    stats: OutcomeStats, before: int, task: Task, figure: Estimate | None
) -> Iterator[Alert]:
    """The model errs more on real cases than on the test rows.

    `figure`: the mean squared error there; `before`: its outcomes of earlier weeks, without which
    these are only those that come first.
    """
    if (
        figure is None
        or figure.high <= 0
        or stats.cases < thresholds.MIN_QUALITY_OUTCOMES
        or not before
    ):
        return
    # a squared error of a share is at most 1, so its variance at most its mean; of numbers a
    # kurtosis of 10 is allowed
    strays = (
        math.sqrt(figure.high / stats.cases)
        if task == "binary"
        else 3 * figure.high / math.sqrt(stats.cases)
    )
    error = stats.mean_squared_error
    if error > max(
        thresholds.MAX_MSE_RATIO * figure.high, figure.high + thresholds.MIN_SIGMAS * strays
    ):
        says = (
            f"the mean squared error of {stats.cases:,} real cases is {error:.4g}; on the test "
            f"rows it was "
        )
        yield Alert("QualityBelowTest", f"{says}{figure.value:.4g}, {figure.high:.4g} at most")


def of_value(weeks: Sequence[OutcomeStats], target: float | None, cost: float) -> Iterator[Alert]:
    """Two weeks of what was acted upon, each worth less than the target, money in 30 days after
    costs.
    """
    newest, *_ = weeks
    if newest.failures > thresholds.MAX_PAYOFF_FAILURE_SHARE * newest.cases:
        yield Alert(
            "PayoffErrors", f"payoff() gave no number for {newest.failures:,} outcomes of 7 days"
        )
    months = [week.net * (MONTH / WEEK) - cost for week in weeks]
    enough = all(week.paid >= thresholds.MIN_PAID_OUTCOMES for week in weeks)
    if target is not None and enough and all(month < target for month in months):
        says = (
            f"at the rate of 7 days it is worth {months[0]:,.0f} in 30 days after costs; "
            f"{target:,.0f} is the target"
        )
        yield Alert("ValueBelowTarget", says)


def of_age(made: datetime | None, now: datetime, most_days: float | None) -> Iterator[Alert]:
    if made and most_days is not None and now - made > timedelta(days=most_days):
        says = f"the model was trained {(now - made).days} days ago; {most_days:g} are allowed"
        yield Alert("ModelStale", says)


def of_dates(due: Iterable[tuple[str, date]], today: date) -> Iterator[Alert]:
    """`due`: what, by file and key, and its day."""
    for what, day in due:
        if day < today:
            yield Alert("GovernanceOverdue", f"{what} was due on {day}", what)


def agreement(stats: OutcomeStats, figure: Estimate) -> tuple[bool, str]:
    """Is the money of a real case what the test rows promised, and in words: within their interval,
    which is made as much wider as chance may move the mean of the real cases.
    """
    mean, error = stats.money_each
    wide = 1.96 * error
    agrees = math.isfinite(mean) and figure.low - wide <= mean <= figure.high + wide
    message = (
        f"{mean:.4g} a case over {stats.paid:,} real ones, give or take {wide:.2g}; "
        f"{figure.value:.4g} "
    )
    return agrees, message + f"({figure.low:.4g} to {figure.high:.4g}) on the test rows"
