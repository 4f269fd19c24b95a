"""The trigger of a retraining: the champion's age, drift, or quality on real cases."""

from ..display.plain_text import display
from ..governance.config import read_governance
from ..project.project import Seam
from ..records.database import now
from ..records.errors import StoreUnavailableError
from ..records.store import Store
from ..settings import Settings
from ..training.reason import MAX_REASON_LENGTH
from ..training.registry import CHALLENGER, Registry
from ..training.retrain import retraining_due, version_age
from .champion import champion_if_any
from .live_checks import active_alerts

# Alert → trigger.
TRIGGERS = {
    "FeatureDrift": "drift",
    "PredictionDrift": "drift",
    "QualityBelowTest": "quality",
}
# Days during which the same trigger does not train a second challenger.
COOLDOWN_DAYS = 7


def detect_trigger(settings: Settings, seam: Seam, store: Store, days: float) -> tuple[str, str]:
    """Return the trigger (age, drift, quality) and its reason, or "" and why there is none.

    Raises StoreUnavailableError if the records cannot be read.
    """
    registry = Registry(settings)
    old, message = retraining_due(registry, days)
    if old:
        return "age", message
    result = list(
        active_alerts(
            read_governance(settings.governance_dir),
            seam,
            store,
            champion_if_any(settings),
            now(),
        )
    )
    if down := next((alert for alert in result if alert.alert == "RecordStoreDown"), None):
        raise StoreUnavailableError(down.message)
    cause = next((alert for alert in result if alert.alert in TRIGGERS), None)
    if cause is None:
        return "", f"{message}; the records show no drift, and no more errors than on the test rows"
    trigger, challenger = TRIGGERS[cause.alert], registry.get_by_alias(CHALLENGER)
    waits = (
        challenger
        and not challenger.rolled_back
        and challenger.tags.get("retrain.because") == trigger
    )
    if challenger and waits and version_age(registry, challenger) < COOLDOWN_DAYS:
        return (
            "",
            f"{cause.message}; version {challenger.number} was already trained for it. "
            f'Works: make promote REASON="..."',
        )
    return trigger, display(cause.message)[:MAX_REASON_LENGTH]
