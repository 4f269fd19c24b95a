"""Which version challenges the champion."""

from .candidates import Say
from .registry import CHALLENGER, CHAMPION, Registry, Version


def challenge(registry: Registry, version: Version, kind: str, say: Say) -> None:
    """Make the version the challenger, if it is one of the champion of now, who may have moved
    during the training.
    """
    champion, rival = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion and (kind == "baseline" or champion.number == version.number):
        return
    if kind == "baseline" and rival and rival.kind == "model" and not rival.rolled_back:
        say(f"challenger stays version {rival.number}, a model: a baseline takes no model's place")
        return
    if errors := not_compared(champion, version):
        say(f"challenger WARNING: {errors}")
        if rival and not not_compared(champion, rival) and not rival.rolled_back:
            say(f"challenger stays version {rival.number}, which was")
            return
    if version.rolled_back:
        say(
            f"challenger WARNING: these are the bytes of version {version.number}, "
            f"{version.rolled_back}"
        )
    registry.point(CHALLENGER, version)


def not_compared(champion: Version | None, version: Version) -> str:
    """Why the gates of a version say nothing of today's champion; empty when they do."""
    compared, today = (
        version.tags.get("compared_with", ""),
        str(champion.number) if champion else "",
    )
    if compared == today:
        return ""
    return (
        f"version {version.number} was compared with champion {compared or 'none'}, not "
        f"{today or 'none'}: train"
    )
