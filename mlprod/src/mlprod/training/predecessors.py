"""The versions that a rollback comes to, as the registry knows them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..display.plain_text import display
from .history import left_by_rollback, line_back
from .moving import NoTargetVersionError
from .registry import Registry, Version


def predecessors(registry: Registry, champion: Version) -> list[Version]:
    """The versions that were champion before it, nearest first, as far as they are still there."""
    known, events = {version.number: version for version in registry.versions()}, registry.history()
    previous = {number: version.tags.get("previous", "") for number, version in known.items()}
    return [
        with_history(known[number], events)
        for number in line_back(champion.number, previous, events)
    ]


def with_history(version: Version, events: Iterable[dict[str, Any]]) -> Version:
    """The version with the rollback that left it, where its tags do not hold it: an older project
    wrote none.
    """
    left = None if version.rolled_back else left_by_rollback(version.number, events)
    if left is None:
        return version
    tags = {
        "rolled_back.at": left["at"],
        "rolled_back.by": left["who"],
        "rolled_back.why": left["why"],
    }
    return replace(version, tags=version.tags | tags)


def unusable(version: Version) -> str:
    """Why a rollback does not come to this version by itself; empty if it does."""
    return version.rolled_back or ("" if version.digest else "names no bundle")


def predecessor(registry: Registry, champion: Version) -> Version:
    result = predecessors(registry, champion)
    for version in result:
        if not unusable(version):
            return version
    if result:
        passed = "; ".join(f"version {version.number}: {unusable(version)}" for version in result)
        raise NoTargetVersionError(
            f"no earlier champion is left to go back to. {passed}. Name one to go there "
            f"all the same: "
            f"--version {result[0].number}"
        )
    if text := champion.tags.get("previous"):
        raise NoTargetVersionError(
            display(
                f"the tag previous of version {champion.number} is {text[:80]!r}, and the "
                f"history names no champion "
                "before it. Name a version that was champion: --version NUMBER"
            )
        )
    raise NoTargetVersionError(
        f"version {champion.number} was the first champion: nothing came before it. "
        f"Promote a second version first"
    )


def former(registry: Registry, champion: Version, number: int) -> Version:
    version = registry.version(number)
    if version.number == champion.number:
        raise NoTargetVersionError(f"version {number} is the champion already")
    if not was_champion(version):
        raise NoTargetVersionError(
            f"version {number} was never champion, so there is no way back to it: promote it"
        )
    return version


def was_champion(version: Version) -> bool:
    return "promote.at" in version.tags
