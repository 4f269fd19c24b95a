"""Choice of the version that challenges the champion."""

from .candidates import Say
from .registry import CHALLENGER, CHAMPION, Registry, Version


def set_challenger(registry: Registry, version: Version, kind: str, say: Say) -> None:
    """Make the version the challenger if it was compared with the current champion.

    The champion may have moved during the training.
    """
    champion, rival = registry.get_by_alias(CHAMPION), registry.get_by_alias(CHALLENGER)
    if champion and (kind == "baseline" or champion.number == version.number):
        return
    if kind == "baseline" and rival and rival.kind == "model" and not rival.rolled_back:
        say(f"challenger stays version {rival.number}, a model; a baseline does not replace it")
        return
    if errors := reason_not_compared(champion, version):
        say(f"challenger WARNING: {errors}")
        if rival and not reason_not_compared(champion, rival) and not rival.rolled_back:
            say(f"challenger stays version {rival.number}, which was compared")
            return
    if version.rolled_back:
        say(
            f"challenger WARNING: the bundle equals that of version {version.number}, "
            f"{version.rolled_back}"
        )
    registry.set_alias(CHALLENGER, version)


def reason_not_compared(champion: Version | None, version: Version) -> str:
    """Return why a version's gates did not use the current champion; empty if they did."""
    compared = version.tags.get("compared_with", "")
    current = str(champion.number) if champion else ""
    if compared == current:
        return ""
    rival = f"champion {compared}" if compared else "no champion"
    return (
        f"version {version.number} was compared with {rival}, but the champion is "
        f"{current or 'none'}; train again, which compares it"
    )
