"""The versions that a rollback comes to, as the registry knows them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .history import left_by_rollback, line_back
from .registry import Registry, Version


def predecessors(registry: Registry, champion: Version) -> list[Version]:
    """The versions that were champion before it, nearest first, as far as they are still there."""
    known, events = {version.number: version for version in registry.versions()}, registry.history()
    previous = {number: version.tags.get("previous", "") for number, version in known.items()}
    return [with_history(known[number], events) for number in line_back(champion.number, previous, events)]


def with_history(version: Version, events: Iterable[dict[str, Any]]) -> Version:
    """The version with the rollback that left it, where its tags do not hold it: an older project wrote none."""
    left = None if version.rolled_back else left_by_rollback(version.number, events)
    if left is None:
        return version
    tags = {"rolled_back.at": left["at"], "rolled_back.by": left["who"], "rolled_back.why": left["why"]}
    return replace(version, tags=version.tags | tags)


def unusable(version: Version) -> str:
    """Why a rollback does not come to this version by itself; empty if it does."""
    return version.rolled_back or ("" if version.digest else "names no bundle")
