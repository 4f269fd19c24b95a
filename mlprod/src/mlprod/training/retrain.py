"""Learn anew for a reason, with the outcomes that the service was told.

It makes a challenger and promotes nothing.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.manifest import PROVENANCE
from ..project.project import Seam
from ..records.store import Store
from ..settings import Settings
from .candidates import Say
from .governed_training import train_with_governance
from .outcome_labels import fill, outcome_labels
from .reason import demand_reason
from .registry import CHALLENGER, CHAMPION, Registry, RegistryError, Version
from .sources import loaded
from .training_result import TrainingResult

REASONS = {  # what is written down where nobody says more
    "age": "the champion is old",
    "drift": "what is asked is no longer what was learnt from",
    "quality": "real outcomes are worse than the test was",
    "person": "",
}


class ModelUnchangedError(Exception):
    """The same rows and files made the champion once more: what asked for a retraining is still
    there.
    """


def due(registry: Registry, days: float) -> tuple[bool, str]:
    """Does the champion's age ask for a retraining, and what is to be said of it?

    A challenger that was made lately to follow this champion waits for a person; it is not made
    again each night.
    """
    champion, challenger = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion is None:
        return False, "there is no champion, so none is too old"
    old = age(registry, champion)
    message = (
        f"the champion, version {champion.number}, is {old:.1f} days old; the limit is {days:g}"
    )
    if old <= days:
        return False, message
    if (
        challenger
        and not challenger.rolled_back
        and challenger.tags.get("compared_with") == str(champion.number)
    ):
        waits = age(registry, challenger)
        if waits <= days:
            return (
                False,
                f"{message}; version {challenger.number} was made {waits:.1f} days ago and "
                f"waits: make promote",
            )
    return True, message


def age(registry: Registry, version: Version) -> float:
    """Days since a version was made.

    Raises RegistryError when its bundle cannot be fetched, or does not show it.
    """
    with TemporaryDirectory() as folder:
        try:
            made = json.loads((registry.download(version, Path(folder)) / PROVENANCE).read_text())[
                "created_at"
            ]
            return (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds() / 86_400
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RegistryError(
                f"{PROVENANCE} of version {version.number} does not show when it was made"
            ) from error


def retrain(
    seam: Seam, settings: Settings, store: Store, say: Say, *, because: str, who: str, why: str = ""
) -> TrainingResult:
    """A challenger by the same training and gates as any, from rows whose labels the records may
    know.

    Raises what train_with_governance() raises, StoreUnavailableError, MissingReasonError, and
    ModelUnchangedError when it is the champion once more.
    """
    why = why.strip() or REASONS[because]
    demand_reason(who, why, "a new fraud")
    registry = Registry(settings)
    rows, matches = fill(loaded(seam.load), seam.terms, outcome_labels(store))
    say(f"because    {because}: {why}")
    say(
        f"outcomes   {matches.outcomes:,} told to {store.engine.url}: {matches.used:,} are "
        f"labels that load() lacks"
    )
    if matches.elsewhere:
        say(
            f"outcomes   {matches.elsewhere:,} left out: no row of load() has their id as "
            f"its {seam.terms.id}"
        )
    result = train_with_governance(
        replace(seam, load=lambda since=None, until=None: rows), settings, say
    )
    version, champion = result.version, registry.get_by_alias(CHAMPION)  # who may have moved since
    if champion and champion.number == version.number:
        raise ModelUnchangedError(
            f"the same rows and files made the champion, version {version.number}, once "
            f"more; nothing moved. "
            "Does load() reach to today, and are its labels or outcomes there?"
        )
    facts = {"because": because, "why": why, "by": who, "outcomes": str(matches.used)}
    for name, value in facts.items():
        registry.tag(version.number, f"retrain.{name}", value)
    before = champion.number if champion else None
    registry.record(
        "retrain", version=version.number, before=before, who=who, why=f"{because}: {why}"
    )
    return result
