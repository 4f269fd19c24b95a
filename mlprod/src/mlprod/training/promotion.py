"""Who serves: the champion alias moves in one call, forward or back, and the registry remembers
who, when and why.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.loader import BundleError, open_bundle
from ..project.project import Seam
from ..settings import Settings
from .challenger import not_compared
from .moving import ConcurrentPromotionError as ConcurrentPromotionError
from .moving import NoTargetVersionError as NoTargetVersionError
from .moving import Position, moving, position
from .predecessors import former, predecessor, predecessors, with_history
from .reason import demand_reason
from .registry import (
    CHALLENGER,
    CHAMPION,
    ROLLED_BACK,
    BundleTooLargeError,
    Registry,
    RegistryError,
    Version,
)


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

    A challenger that was compared with another champion than today's is refused: its gates said
    nothing of this one. So is one that was left by a rollback, unless it is named by its number.
    `ready` may raise before anything moves: it is asked last, about the version that would answer.
    Raises ConcurrentPromotionError when the champion moved while all this was looked at.
    """
    demand_reason(who, why)
    seen = position(registry)
    before, after = (
        registry.get_by_alias(CHAMPION),
        registry.get_by_alias(CHALLENGER) if number is None else registry.version(number),
    )
    if after is None:
        raise NoTargetVersionError("there is no challenger to promote; `train` makes one")
    if before and before.number == after.number:
        raise NoTargetVersionError(f"version {after.number} is the champion already")
    if number is None and (after := with_history(after, registry.history())).rolled_back:
        raise NoTargetVersionError(
            f"version {after.number} was {after.rolled_back}. To promote it all the same, name it: "
            f"--version {after.number} (make: VERSION={after.number})"
        )
    if number is None and (errors := not_compared(before, after)):
        raise NoTargetVersionError(errors)
    _demand_answer(registry, after, seam, settings, must=True)
    if ready:
        ready(after)
    _move(registry, "promote", seen, before, after, who, why)
    return before, after


def rollback(
    registry: Registry,
    who: str,
    why: str,
    number: int | None = None,
    *,
    seam: Seam | None = None,
    settings: Settings | None = None,
) -> tuple[Version, Version]:
    """Make the champion's predecessor, or the version `number` that was champion before, the
    champion again.

    Gives (before, after). A predecessor that was itself left by a rollback is passed over. Raises
    ConcurrentPromotionError when the champion moved meanwhile.
    """
    demand_reason(who, why)
    seen = position(registry)
    before = registry.get_by_alias(CHAMPION)
    if before is None:
        raise NoTargetVersionError("there is no champion, so nothing to roll back")
    after = predecessor(registry, before) if number is None else former(registry, before, number)
    _demand_answer(registry, after, seam, settings)
    _move(registry, "rollback", seen, before, after, who, why)
    return before, after


def _demand_answer(
    registry: Registry,
    version: Version,
    seam: Seam | None,
    settings: Settings | None,
    *,
    must: bool = False,
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
        except (BundleError, BundleTooLargeError) as error:
            raise NoTargetVersionError(
                f"version {version.number} ({version.kind}) would be refused by the "
                f"service: {error}. Nothing moved; "
                "if the service runs other code than this, add --skip-load-check"
            ) from error
        except RegistryError:
            if must:
                raise
            # It cannot be looked at; a service may still hold it, and a rollback must not wait.


def _move(
    registry: Registry,
    action: str,
    seen: Position,
    before: Version | None,
    after: Version,
    who: str,
    why: str,
) -> None:
    """Tags first, the alias last: a crash in between changes nobody's answer.

    Then look whether it stayed.
    """
    with moving(registry, who, seen):
        at = datetime.now(UTC).isoformat(timespec="seconds")
        if (
            action == "promote"
            and before
            and after.number not in [v.number for v in predecessors(registry, before)]
        ):
            registry.tag(
                after.number, "previous", str(before.number)
            )  # else it was left for good: no way leads back
        if action == "rollback" and before:
            for name, value in {"by": who, "why": why, "at": at}.items():
                registry.tag(before.number, f"rolled_back.{name}", value)
        if ROLLED_BACK in after.tags:
            registry.drop_tag(
                after.number, ROLLED_BACK
            )  # somebody has named it: it may serve again
        for name, value in {"by": who, "at": at, "why": why}.items():
            registry.tag(after.number, f"{action}.{name}", value)
        registry.point(CHAMPION, after)
        registry.record(
            action, version=after.number, before=before.number if before else None, who=who, why=why
        )
        now = registry.get_by_alias(CHAMPION)
    if now is None or now.number != after.number:
        raise ConcurrentPromotionError(
            f"version {after.number} was made champion, and at once somebody else made it "
            f"{f'version {now.number}' if now else 'none'}, without asking. Look at "
            f"`versions`, and then decide again"
        )
