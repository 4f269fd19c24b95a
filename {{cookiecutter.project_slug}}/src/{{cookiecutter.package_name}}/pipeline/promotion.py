"""Who serves: the champion alias moves in one call, forward or back, and the registry remembers who, when and why."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.read import BundleRefused, open_bundle
from ..plain_text import MAX_LENGTH, violation
from ..settings import Settings
from .registry import CHALLENGER, CHAMPION, Registry, RegistryError, Version
from .seam import Seam

LONGEST_REASON, LONGEST_NAME = MAX_LENGTH, 200


class NowhereToGo(Exception):
    """There is no version to move to; nothing was changed."""


class ReasonMissing(Exception):
    """Who or why is missing, too long or not one line of visible text; nothing was changed."""


def promote(
    registry: Registry,
    who: str,
    why: str,
    number: int | None = None,
    *,
    seam: Seam | None = None,
    settings: Settings | None = None,
    ready: Callable[[Version], None] | None = None,
) -> tuple[Version | None, Version]:
    """Make the challenger, or the version `number`, the champion. Gives (before, after).

    A challenger that was compared with another champion than today's is refused: its gates said nothing of this one.
    `ready` may raise before anything moves: it is asked last, about the version that would answer.
    """
    demand_reason(who, why)
    before, after = (
        registry.behind(CHAMPION),
        registry.behind(CHALLENGER) if number is None else registry.version(number),
    )
    if after is None:
        raise NowhereToGo("there is no challenger to promote; `train` makes one")
    if before and before.number == after.number:
        raise NowhereToGo(f"version {after.number} is the champion already")
    if number is None and (wrong := not_compared(before, after)):
        raise NowhereToGo(wrong)
    _demand_answer(registry, after, seam, settings, must=True)
    if ready:
        ready(after)
    _move(registry, "promote", before, after, who, why)
    return before, after


def not_compared(champion: Version | None, version: Version) -> str:
    """Why the gates of a version say nothing of today's champion; empty when they do."""
    compared, today = version.tags.get("compared_with", ""), str(champion.number) if champion else ""
    if compared == today:
        return ""
    return f"version {version.number} was compared with champion {compared or 'none'}, not {today or 'none'}: train"


def was_champion(version: Version) -> bool:
    return "promote.at" in version.tags


def rollback(
    registry: Registry, who: str, why: str, *, seam: Seam | None = None, settings: Settings | None = None
) -> tuple[Version, Version]:
    """Make the champion's predecessor the champion again. Gives (before, after)."""
    demand_reason(who, why)
    before = registry.behind(CHAMPION)
    if before is None:
        raise NowhereToGo("there is no champion, so nothing to roll back")
    if before.previous is None:
        raise NowhereToGo(
            f"version {before.number} was the first champion: nothing came before it. Promote a second version first"
        )
    after = registry.version(before.previous)
    _demand_answer(registry, after, seam, settings)
    _move(registry, "rollback", before, after, who, why)
    return before, after


def demand_reason(who: str, why: str, example: str = "it beats the rule") -> None:
    """Raises ReasonMissing for what cannot stand in the history of the model."""
    if wrong := violation(why):
        works = f'say why, in 1 to {LONGEST_REASON} characters: --why "{example}" (make: WHY="...")'
        raise ReasonMissing(f"{works}; of what was given, {wrong}")
    if wrong := violation(who, LONGEST_NAME):
        works = f'say who, in 1 to {LONGEST_NAME} characters: --who "ann@example.org"'
        raise ReasonMissing(f"{works}; of what was given, {wrong}")


def _demand_answer(
    registry: Registry, version: Version, seam: Seam | None, settings: Settings | None, *, must: bool = False
) -> None:
    """With a seam, a version that the service would refuse is refused here, before anything moves.

    Raises RegistryError for one that cannot be fetched, if it `must` be.
    """
    if seam is None or settings is None:
        return
    with TemporaryDirectory() as folder:
        try:
            bundle = registry.download(version, Path(folder))
            open_bundle(
                bundle,
                seam.terms.fields,
                seam.baseline,
                digest=version.digest,
                allow_pickle=settings.allow_pickle,
                megabytes=settings.model_megabytes,
            )
        except RegistryError:
            if must:
                raise
            return  # it cannot be looked at; a service may still hold it, and a rollback must not wait
        except BundleRefused as error:
            raise NowhereToGo(
                f"version {version.number} ({version.kind}) would be refused by the service: {error}. Nothing moved; "
                "if the service runs other code than this, add --unchecked"
            ) from error


def _ancestors(registry: Registry, version: Version) -> set[int]:
    """The versions that rollbacks from `version` would come to."""
    found: set[int] = set()
    while version.previous is not None and version.previous not in found:
        found.add(version.previous)
        version = registry.version(version.previous)
    return found


def _move(registry: Registry, action: str, before: Version | None, after: Version, who: str, why: str) -> None:
    """Tags first, the alias last: a crash in between changes nobody's answer."""
    if action == "promote" and before and after.number not in _ancestors(registry, before):
        registry.tag(after.number, "previous", str(before.number))  # else it was left for good: no way leads back to it
    for name, value in {"by": who, "at": datetime.now(UTC).isoformat(timespec="seconds"), "why": why}.items():
        registry.tag(after.number, f"{action}.{name}", value)
    registry.point(CHAMPION, after)
    registry.record(action, version=after.number, before=before.number if before else None, who=who, why=why)
