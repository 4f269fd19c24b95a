"""Predecessors of the champion: the versions that a rollback can reach."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..display.plain_text import display
from .history import rollback_targets, rollback_that_left
from .moving import NoTargetVersionError
from .registry import Registry, Version


def predecessors(registry: Registry, champion: Version) -> list[Version]:
    """Return the existing versions that were champion before this one, nearest first."""
    known, events = {version.number: version for version in registry.versions()}, registry.history()
    previous = {number: version.tags.get("previous", "") for number, version in known.items()}
    return [
        with_history(known[number], events)
        for number in rollback_targets(champion.number, previous, events)
    ]


def with_history(version: Version, events: Iterable[dict[str, Any]]) -> Version:
    """Return the version with tags of the rollback that left it.

    The history fills them in where they are missing, because an older project wrote none.
    """
    left = None if version.rolled_back else rollback_that_left(version.number, events)
    if left is None:
        return version
    tags = {
        "rolled_back.at": left["at"],
        "rolled_back.by": left["who"],
        "rolled_back.why": left["why"],
    }
    return replace(version, tags=version.tags | tags)


def reason_unusable(version: Version) -> str:
    """Return why a rollback skips this version unless a person names it; empty if it does not."""
    return version.rolled_back or ("" if version.digest else "names no bundle")


def find_predecessor(registry: Registry, champion: Version) -> Version:
    """Find the nearest predecessor that a rollback does not skip.

    Raises NoTargetVersionError if there is none.
    """
    result = predecessors(registry, champion)
    for version in result:
        if not reason_unusable(version):
            return version
    if result:
        skipped = "; ".join(
            f"version {version.number}: {reason_unusable(version)}" for version in result
        )
        raise NoTargetVersionError(
            f"no earlier champion is left for a rollback. {skipped}. To roll back to one of "
            f"them anyway, name it: --version {result[0].number}"
        )
    if text := champion.tags.get("previous"):
        raise NoTargetVersionError(
            display(
                f"the tag previous of version {champion.number} is {text[:80]!r}, and the "
                "history names no champion before it. Name a version that was champion: "
                "--version NUMBER"
            )
        )
    raise NoTargetVersionError(
        f"version {champion.number} was the first champion, so there is no predecessor. "
        f"Promote a second version first"
    )


def former_champion(registry: Registry, champion: Version, number: int) -> Version:
    """Return version `number`. Raises NoTargetVersionError unless it was champion before."""
    version = registry.version(number)
    if version.number == champion.number:
        raise NoTargetVersionError(f"version {number} is the champion already")
    if not was_champion(version):
        raise NoTargetVersionError(
            f"version {number} was never champion, so it cannot be rolled back to; promote it"
        )
    return version


def was_champion(version: Version) -> bool:
    """Return whether a version has been promoted before."""
    return "promote.at" in version.tags
