"""Retraining for a reason, with the outcomes in the records.

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
from .outcome_labels import fill_labels, read_outcome_labels
from .reason import require_reason
from .registry import CHALLENGER, CHAMPION, Registry, RegistryError, Version
from .sources import load_table
from .training_result import TrainingResult

# Trigger → the reason that is recorded if nobody gives one.
DEFAULT_REASONS = {
    "age": "the champion is old",
    "drift": "requests differ from the training data",
    "quality": "errors on real outcomes are larger than in the test",
    "person": "",
}


class ModelUnchangedError(Exception):
    """The retraining produced the champion again, so its trigger remains."""


def retraining_due(registry: Registry, days: float) -> tuple[bool, str]:
    """Return whether the champion's age requires a retraining, and a message about it.

    A challenger of this champion that is younger than `days` waits for a person. So a schedule does
    not make it again each night.
    """
    champion, challenger = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion is None:
        return False, "there is no champion, so none is too old"
    old = version_age(registry, champion)
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
        waits = version_age(registry, challenger)
        if waits <= days:
            return (
                False,
                f"{message}; version {challenger.number} was made {waits:.1f} days ago and "
                "waits for `make promote`",
            )
    return True, message


def version_age(registry: Registry, version: Version) -> float:
    """Return the days since a version was made.

    Raises RegistryError if its bundle cannot be fetched, or does not contain the time.
    """
    with TemporaryDirectory() as folder:
        try:
            made = json.loads((registry.download(version, Path(folder)) / PROVENANCE).read_text())[
                "created_at"
            ]
            return (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds() / 86_400
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RegistryError(
                f"{PROVENANCE} of version {version.number} has no valid created_at"
            ) from error


def retrain(
    seam: Seam, settings: Settings, store: Store, say: Say, *, trigger: str, who: str, why: str = ""
) -> TrainingResult:
    """Train a challenger with the usual gates; outcomes in the records fill missing labels.

    `trigger` is a key of DEFAULT_REASONS. Raises what train_with_governance() raises,
    StoreUnavailableError, MissingReasonError, and ModelUnchangedError if the result is the champion
    again.
    """
    why = why.strip() or DEFAULT_REASONS[trigger]
    require_reason(who, why, "a new fraud")
    registry = Registry(settings)
    labels = read_outcome_labels(store, seam.terms.classes)
    rows, counts = fill_labels(load_table(seam.load), seam.terms, labels)
    say(f"trigger    {trigger}: {why}")
    say(
        f"outcomes   {counts.outcomes:,} in {store.engine.url}: {counts.used:,} fill missing "
        f"labels of load()"
    )
    if counts.unmatched:
        say(
            f"outcomes   {counts.unmatched:,} left out: no row of load() has their id as "
            f"its {seam.terms.id}"
        )
    result = train_with_governance(
        replace(seam, load=lambda since=None, until=None: rows), settings, say
    )
    # The champion may have moved during the training.
    version, champion = result.version, registry.get_by_alias(CHAMPION)
    if champion and champion.number == version.number:
        raise ModelUnchangedError(
            f"the same rows and files produced the champion, version {version.number}, again; "
            "nothing moved. Check that load() reaches to today, and that labels or outcomes exist"
        )
    facts = {"because": trigger, "why": why, "by": who, "outcomes": str(counts.used)}
    for name, value in facts.items():
        registry.tag(version.number, f"retrain.{name}", value)
    before = champion.number if champion else None
    registry.record(
        "retrain", version=version.number, before=before, who=who, why=f"{trigger}: {why}"
    )
    return result
