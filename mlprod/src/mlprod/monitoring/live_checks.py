"""Checks of the champion on the records: evidence for readiness, and active alerts."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from ..governance.alert_thresholds import due_days
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
from .drift import compare_distributions
from .windows import DAY, WEEK

# The period that evidence covers.
LOOKBACK = timedelta(days=28)


def collect_evidence(
    org: GovernanceConfig,
    seam: Seam,
    store: Store,
    champion: ChampionInfo | None,
    digests: dict[Subject, str],
    now: datetime,
) -> list[Evidence]:
    """Collect evidence of quality, payoff and use from the records of 28 days.

    Figures based on too few cases are omitted.
    """
    result = []
    stats = quality.outcome_stats(
        store,
        seam.payoff,
        binary=seam.task() == "binary",
        since=now - LOOKBACK,
        until=now,
        classes=seam.terms.classes,
    )
    if (paid := merge(stats)).cases:
        acted, shadow = acted_upon(stats), merge(stats, mode=DecisionMode.SHADOW)
        message = f"{acted.net:,.2f} over {acted.paid:,} cases"
        message += (
            f"; {shadow.net:,.2f} over {shadow.paid:,} in shadow mode, not earned"
            if shadow.paid
            else ""
        )
        message += f"; payoff() failed for {paid.failures:,}" if paid.failures else ""
        result.append(finding("value-metric", not paid.failures, digests, message))
    intended, active = org.change_plan.adoption.intended_users, active_reviewers(store, now)
    if intended and active is not None:
        share = active / intended
        message = f"{share:.0%} of {intended:,} intended users used it in seven days"
        result.append(
            finding("adoption-at-target", share >= org.usage_limits.active_users, digests, message)
        )
    if champion is None:
        return result
    if (trained_at := _trained_at(champion)) and (limit := org.watch.model_days):
        age = (now - trained_at).days
        result.append(
            finding("model-fresh", age <= limit, digests, f"{age} days old; the limit is {limit:g}")
        )
    return result + list(
        _champion_evidence(seam, champion, merge(stats, model_version=champion.version), digests)
    )


def active_alerts(
    org: GovernanceConfig, seam: Seam, store: Store, champion: ChampionInfo | None, now: datetime
) -> list[Alert]:
    """Return the alerts that are active now (UTC); an unavailable database is an alert too."""
    result = list(alerts.overdue_alerts(due_days(org), now.date()))
    try:
        return result + list(_alerts_from_records(org, seam, store, champion, now))
    except StoreUnavailableError as error:
        return [
            *result,
            Alert("RecordStoreDown", f"the database of records is unavailable: {error}"),
        ]


def _alerts_from_records(
    org: GovernanceConfig, seam: Seam, store: Store, champion: ChampionInfo | None, now: datetime
) -> Iterator[Alert]:
    spans = ((now - WEEK, now), (now - 2 * WEEK, now - WEEK))
    stats = [
        quality.outcome_stats(
            store,
            seam.payoff,
            binary=seam.task() == "binary",
            since=a,
            until=b,
            classes=seam.terms.classes,
        )
        for a, b in spans
    ]
    scored = [quality.count_scored(store, *span)[0] for span in spans]
    yield from alerts.outcome_alerts(
        *((merge(item).cases, rows) for item, rows in zip(stats, scored, strict=True))
    )
    people, value = org.usage_limits, org.problem.value
    yield from alerts.value_alerts(
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
    yield from alerts.usage_alerts(
        judged, decision_paths(store, week, now), people.override_stop, people.bypass
    )
    mine, before = (merge(item, model_version=champion.version) for item in stats)
    yield from alerts.quality_alerts(mine, before.cases, seam.task(), champion.squared_error)
    yield from alerts.age_alerts(_trained_at(champion), now, org.watch.model_days)
    drifts = compare_distributions(
        champion.reference, feature_counts(seam, store, champion, day, now)
    )
    yield from alerts.input_alerts(drifts)
    first = first_prediction_at(store, champion, day)
    if first and now - first >= thresholds.WHOLE_DAY_SHARE * DAY:
        yield from alerts.drift_alerts(drifts)


def _champion_evidence(
    seam: Seam, champion: ChampionInfo, stats: OutcomeStats, digests: dict[Subject, str]
) -> Iterator[Evidence]:
    if stats.cases >= thresholds.MIN_QUALITY_OUTCOMES:
        before = champion.squared_error
        worse = list(alerts.quality_alerts(stats, stats.cases, seam.task(), before))
        message = (
            f"mean squared error {stats.mean_squared_error:.4g} over {stats.cases:,} real cases"
        )
        message += f", {before.value:.4g} on the test rows" if before else ""
        if rates := stats.class_quality:
            message += f"; accuracy {rates[0]:.3f}, log loss {rates[1]:.4g}"
            message += _on_test_rows(champion)
        yield finding("live-quality-watched", not worse, digests, message)
    if stats.paid >= thresholds.MIN_QUALITY_OUTCOMES:
        agrees, message = alerts.payoff_agreement(stats, champion.manifest.metrics["value"])
        yield finding("offline-and-online-agree", agrees, digests, message)


def _on_test_rows(champion: ChampionInfo) -> str:
    metrics = champion.manifest.metrics
    if not {"accuracy", "log_loss"} <= metrics.keys():
        return ""
    return f", {metrics['accuracy'].value:.3f} and {metrics['log_loss'].value:.4g} on the test rows"


def _trained_at(champion: ChampionInfo) -> datetime | None:
    """Return when the model was trained; None for a baseline, which has no age."""
    return champion.trained_at if champion.manifest.kind == "model" else None
