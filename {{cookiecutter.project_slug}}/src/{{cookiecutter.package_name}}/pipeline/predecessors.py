"""The versions that a rollback comes to, as the registry knows them."""

from .history import line_back
from .registry import Registry, Version


def predecessors(registry: Registry, champion: Version) -> list[Version]:
    """The versions that were champion before it, nearest first, as far as they are still there."""
    known = {version.number: version for version in registry.versions()}
    previous = {number: version.tags.get("previous", "") for number, version in known.items()}
    return [known[number] for number in line_back(champion.number, previous, registry.history())]


def unusable(version: Version) -> str:
    """Why a rollback does not come to this version by itself; empty if it does."""
    return version.rolled_back or ("" if version.digest else "names no bundle")
