"""Does anything ask for a retraining?

The champion's age, and what the records show: drift, and real errors.
"""

from ..display.plain_text import display
from ..governance.config import read_organisation
from ..project.project import Seam
from ..records.database import now
from ..records.errors import StoreUnavailableError
from ..records.store import Store
from ..settings import Settings
from ..training.reason import LONGEST_REASON
from ..training.registry import CHALLENGER, Registry
from ..training.retrain import age, due
from .champion import champion_if_any
from .live_checks import active_alerts

TRIGGERS = {
    "FeatureDrift": "drift",
    "PredictionDrift": "drift",
    "QualityBelowTest": "quality",
}  # alert → reason
COOLDOWN_DAYS = 7  # days in which a challenger that was made for such a reason is not made again


def reason(settings: Settings, seam: Seam, store: Store, days: float) -> tuple[str, str]:
    """What asks for a retraining (age, drift, quality), and what is to be said of it; nothing does:
    "", and why.

    Raises StoreUnavailableError when the records cannot be looked at: what nobody saw is no reason
    to go on as before.
    """
    registry = Registry(settings)
    old, message = due(registry, days)
    if old:
        return "age", message
    result = list(
        active_alerts(
            read_organisation(settings.governance_dir),
            seam,
            store,
            champion_if_any(settings),
            now(),
        )
    )
    if away := next((signal for signal in result if signal.alert == "RecordStoreDown"), None):
        raise StoreUnavailableError(away.says)
    asks = next((signal for signal in result if signal.alert in TRIGGERS), None)
    if asks is None:
        return "", f"{message}; the records show neither drift nor more errors than the test"
    because, challenger = TRIGGERS[asks.alert], registry.get_by_alias(CHALLENGER)
    waits = (
        challenger
        and not challenger.rolled_back
        and challenger.tags.get("retrain.because") == because
    )
    if challenger and waits and age(registry, challenger) < COOLDOWN_DAYS:
        return (
            "",
            f"{asks.says}; version {challenger.number} was made for it and waits: make promote",
        )
    return because, display(asks.says)[:LONGEST_REASON]
