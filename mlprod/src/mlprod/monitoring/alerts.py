"""Alerts computed from the records, for projects that run without Prometheus.

They mirror the alert rules in monitoring/prometheus.
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
from .drift_counts import CLASS, SCORE
from .windows import MONTH, WEEK


@dataclass(frozen=True)
class Alert:
    """An active alert.

    `alert` is the name of the Prometheus alert. `subject` is the field or file that it concerns.
    """

    alert: str
    message: str
    subject: str = ""

    @property
    def outcome(self) -> str:
        """Id of the outcome in governance/ownership.yaml; its owner receives the alert."""
        return thresholds.OUTCOMES[self.alert]

    @property
    def id(self) -> str:
        """The alert's name, with its subject where there is one."""
        return f"{self.alert}: {self.subject}" if self.subject else self.alert


def drift_alerts(drifts: Sequence[Drift]) -> Iterator[Alert]:
    """Yield an alert for each field, and for the score, that drifts."""
    for item in drifts:
        if item.verdict == "drifts" and item.gap is not None and item.allowed is not None:
            alert = "PredictionDrift" if item.name in (SCORE, CLASS) else "FeatureDrift"
            message = (
                f"{item.name} differs by {item.gap:.1%} from the training data; "
                f"the limit is {item.allowed:.1%}"
            )
            yield Alert(alert, message, item.name)


def input_alerts(drifts: Sequence[Drift]) -> Iterator[Alert]:
    """Yield alerts for missing values and for categories that the model does not know."""
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
            message = (
                f"{item.name} is missing in {item.missing:.1%} of the rows; in the training data "
                f"it was {reference.missing:.1%}"
            )
            yield Alert("MissingValues", message, item.name)
        chance = ks_critical_value(now.present, item.reference_rows)
        if item.unknown is not None and item.unknown > reference.shares[-1] + max(
            thresholds.MAX_UNKNOWN_INCREASE, chance
        ):
            message = (
                f"{item.unknown:.1%} of the values of {item.name} are categories that the model "
                f"does not know; in the training data it was {reference.shares[-1]:.1%}"
            )
            yield Alert("UnknownCategories", message, item.name)


def usage_alerts(
    judged: Counter[str], routes: Mapping[str, int], override: float, bypass: float
) -> Iterator[Alert]:
    """Yield alerts if people overrule or bypass the system more than governance/gates.yaml allows.

    `judged` counts the verdicts of 7 days, `routes` the cases by who decided them.
    """
    rate = override_rate(judged["overridden"], judged.total()) or 0.0
    if judged.total() >= thresholds.MIN_JUDGED_DECISIONS and rate > override:
        message = (
            f"people overruled {rate:.0%} of {judged.total():,} judged decisions in 7 days; "
            f"the limit is {override:.0%}"
        )
        yield Alert("OverrideRateHigh", message)
    cases = sum(routes.values())
    if cases >= thresholds.MIN_CASES and (rate := routes["manual"] / cases) > bypass:
        message = (
            f"{rate:.0%} of {cases:,} cases of 7 days were decided without the system; "
            f"the limit is {bypass:.0%}"
        )
        yield Alert("BypassHigh", message)


def outcome_alerts(now: tuple[int, int], before: tuple[int, int]) -> Iterator[Alert]:
    """Yield an alert if far fewer outcomes arrive than in the week before.

    `now` and `before` are (outcomes received, rows scored) of the last week and of the week before.
    """
    (received, scored), (received_before, scored_before) = now, before
    if (
        received_before < thresholds.MIN_WEEKLY_OUTCOMES
        or scored < thresholds.MIN_WEEKLY_OUTCOMES
        or not scored_before
    ):
        return
    ratio = thresholds.MIN_OUTCOME_RATIO
    share_before = received_before / scored_before
    if received < ratio * received_before and received / scored < ratio * share_before:
        message = (
            f"{received:,} outcomes arrived in 7 days for {scored:,} scored rows; in the week "
            f"before {received_before:,} arrived for {scored_before:,}"
        )
        yield Alert("OutcomesMissing", message)


def quality_alerts(
    stats: OutcomeStats, before: int, task: Task, figure: Estimate | None
) -> Iterator[Alert]:
    """Yield an alert if the mean squared error on real cases is worse than on the test rows.

    `figure` is the mean squared error on the test rows. `before` counts the outcomes of earlier
    weeks: without any, the first outcomes to arrive are not representative, and nothing is raised.
    """
    if (
        figure is None
        or figure.high <= 0
        or stats.cases < thresholds.MIN_QUALITY_OUTCOMES
        or not before
    ):
        return
    # The squared error of a probability, or of those of all classes, is at most 1. So its variance
    # is at most its mean. For numbers a kurtosis of 10 is assumed.
    standard_error = (
        math.sqrt(figure.high / stats.cases)
        if task != "regression"
        else 3 * figure.high / math.sqrt(stats.cases)
    )
    error = stats.mean_squared_error
    if error > max(
        thresholds.MAX_MSE_RATIO * figure.high, figure.high + thresholds.MIN_SIGMAS * standard_error
    ):
        message = (
            f"the mean squared error of {stats.cases:,} real cases is {error:.4g}; on the test "
            f"rows it was {figure.value:.4g}, at most {figure.high:.4g}"
        )
        yield Alert("QualityBelowTest", message)


def value_alerts(
    weeks: Sequence[OutcomeStats], target: float | None, cost: float
) -> Iterator[Alert]:
    """Yield alerts if payoff() fails, or if two weeks in a row stay below the target.

    `weeks` holds the cases that people acted upon, newest week first. `target` and `cost` are money
    per 30 days; the target is compared after costs.
    """
    newest, *_ = weeks
    if newest.failures > thresholds.MAX_PAYOFF_FAILURE_SHARE * newest.cases:
        yield Alert(
            "PayoffErrors",
            f"payoff() returned no number for {newest.failures:,} outcomes of 7 days",
        )
    months = [week.net * (MONTH / WEEK) - cost for week in weeks]
    enough = all(week.paid >= thresholds.MIN_PAID_OUTCOMES for week in weeks)
    if target is not None and enough and all(month < target for month in months):
        message = (
            f"at the rate of the last 7 days the payoff is {months[0]:,.0f} in 30 days after "
            f"costs; the target is {target:,.0f}"
        )
        yield Alert("ValueBelowTarget", message)


def age_alerts(
    trained_at: datetime | None, now: datetime, max_days: float | None
) -> Iterator[Alert]:
    """Yield an alert if the model was trained more than `max_days` ago."""
    if trained_at and max_days is not None and now - trained_at > timedelta(days=max_days):
        days = (now - trained_at).days
        yield Alert(
            "ModelStale", f"the model was trained {days} days ago; the limit is {max_days:g}"
        )


def overdue_alerts(due: Iterable[tuple[str, date]], today: date) -> Iterator[Alert]:
    """Yield an alert for each overdue entry of `due`: (file and key, day)."""
    for what, day in due:
        if day < today:
            yield Alert("GovernanceOverdue", f"{what} was due on {day}", what)


def payoff_agreement(stats: OutcomeStats, figure: Estimate) -> tuple[bool, str]:
    """Return whether the payoff of real cases agrees with the test rows, and a sentence about it.

    It agrees if the mean of the real cases lies within the interval of the test rows. That interval
    is widened by 1.96 standard errors of the mean of the real cases.
    """
    mean, error = stats.mean_money
    wide = 1.96 * error
    agrees = math.isfinite(mean) and figure.low - wide <= mean <= figure.high + wide
    message = (
        f"{mean:.4g} per case over {stats.paid:,} real cases, plus or minus {wide:.2g}; "
        f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g}) on the test rows"
    )
    return agrees, message
