"""What the records show of the champion: as evidence for the readiness, and as what is wrong today."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from ..governance.alert_thresholds import due
from ..governance.check_catalogue import Subject
from ..governance.config import GovernanceConfig
from ..governance.evidence import Evidence
from ..modes import DecisionMode
from ..project.project import Seam
from ..records.errors import StoreUnavailableError
from ..records.outcome_stats import OutcomeStats, acted_upon, merge
from ..records.store import Store
from ..records.usage_stats import active_reviewers, decision_paths, verdicts
from ..training.evidence_store import finding
from . import alerts, quality, thresholds
from .alerts import Alert
from .champion import ChampionInfo, feature_counts, first_prediction_at
from .drift import compare
from .windows import DAY, WEEK

LOOKBACK = timedelta(days=28)  # that evidence looks back


def collect_evidence(
    org: GovernanceConfig,
    seam: Seam,
    store: Store,
    champion: ChampionInfo | None,
    digests: dict[Subject, str],
    now: datetime,
) -> list[Evidence]:
    """What the records of 28 days show of quality, value and use, as evidence.

    What too few cases show is not said.
    """
    result = []
    stats = quality.outcome_stats(
        store, seam.payoff, binary=seam.task() == "binary", since=now - LOOKBACK, until=now
    )
    if (paid := merge(stats)).cases:
        acted, shadow = acted_upon(stats), merge(stats, mode=DecisionMode.SHADOW)
        message = f"{acted.net:,.2f} over {acted.paid:,} cases"
        message += (
            f"; {shadow.net:,.2f} over {shadow.paid:,} in shadow, not earned" if shadow.paid else ""
        )
        message += f"; payoff() failed for {paid.failures:,}" if paid.failures else ""
        result.append(finding("value-metric", not paid.failures, digests, message))
    intended, active = org.change_plan.adoption.intended_users, active_reviewers(store, now)
    if intended and active is not None:
        share = active / intended
        message = f"{share:.0%} of {intended:,} used it in seven days"
        result.append(
            finding(
                "adoption-at-target", share >= org.people_figures.active_users, digests, message
            )
        )
    if champion is None:
        return result
    if (made := _of_model(champion)) and (most := org.watch.model_days):
        age = (now - made).days
        result.append(
            finding("model-fresh", age <= most, digests, f"{age} days old, {most:g} are allowed")
        )
    return result + list(
        _of_champion(seam, champion, merge(stats, model_version=champion.version), digests)
    )


def active_alerts(
    org: GovernanceConfig, seam: Seam, store: Store, champion: ChampionInfo | None, now: datetime
) -> list[Alert]:
    """Everything that is wrong now (UTC). A database that is away is itself a signal."""
    result = list(alerts.of_dates(due(org), now.date()))
    try:
        return result + list(_by_records(org, seam, store, champion, now))
    except StoreUnavailableError as error:
        return [
            *result,
            Alert("RecordStoreDown", f"the database of records does not answer: {error}"),
        ]


def _by_records(
    org: GovernanceConfig, seam: Seam, store: Store, champion: ChampionInfo | None, now: datetime
) -> Iterator[Alert]:
    spans = ((now - WEEK, now), (now - 2 * WEEK, now - WEEK))
    stats = [
        quality.outcome_stats(store, seam.payoff, binary=seam.task() == "binary", since=a, until=b)
        for a, b in spans
    ]
    scored = [quality.scored(store, *span)[0] for span in spans]
    yield from alerts.of_outcomes(
        *((merge(item).cases, rows) for item, rows in zip(stats, scored, strict=True))
    )
    people, value = org.people_figures, org.problem.value
    yield from alerts.of_value(
        [acted_upon(entry) for entry in stats], value.payoff_a_month, value.cost_a_month or 0
    )
    if champion is None:
        return
    week, day = now - WEEK, now - DAY
    of_version = [
        element
        for (version, _), element in verdicts(store, week).items()
        if version == champion.version
    ]
    judged = sum(of_version, Counter[str]())
    yield from alerts.of_people(
        judged, decision_paths(store, week, now), people.override_stop, people.bypass
    )
    mine, before = (merge(each, model_version=champion.version) for each in stats)
    yield from alerts.of_quality(mine, before.cases, seam.task(), champion.squared_error)
    yield from alerts.of_age(_of_model(champion), now, org.watch.model_days)
    drifts = compare(champion.reference, feature_counts(seam, store, champion, day, now))
    yield from alerts.of_inputs(drifts)
    first = first_prediction_at(store, champion, day)
    if first and now - first >= thresholds.WHOLE_DAY_SHARE * DAY:
        yield from alerts.of_drift(drifts)


def _of_champion(
    seam: Seam, champion: ChampionInfo, stats: OutcomeStats, digests: dict[Subject, str]
) -> Iterator[Evidence]:
    if stats.cases >= thresholds.MIN_QUALITY_OUTCOMES:
        before = champion.squared_error
        worse = list(alerts.of_quality(stats, stats.cases, seam.task(), before))
        message = (
            f"mean squared error {stats.mean_squared_error:.4g} over {stats.cases:,} real cases"
        )
        message += f", {before.value:.4g} on the test rows" if before else ""
        yield finding("live-quality-watched", not worse, digests, message)
    if stats.paid >= thresholds.MIN_QUALITY_OUTCOMES:
        agrees, message = alerts.agreement(stats, champion.manifest.metrics["value"])
        yield finding("offline-and-online-agree", agrees, digests, message)


def _of_model(champion: ChampionInfo) -> datetime | None:
    """A baseline does not grow old."""
    return champion.made if champion.manifest.kind == "model" else None
