"""Promotion and rollback: they move the champion alias in one call.

The registry records who moved it, when and why.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bundle.loader import BundleError, open_bundle
from ..project.project import Seam
from ..settings import Settings
from .challenger import reason_not_compared
from .moving import ConcurrentPromotionError as ConcurrentPromotionError
from .moving import NoTargetVersionError as NoTargetVersionError
from .moving import Position, champion_position, exclusive_move
from .predecessors import find_predecessor, former_champion, predecessors, with_history
from .reason import require_reason
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
    """Make the challenger, or the version `number`, the champion. Returns (before, after).

    `ready` is called last with the version that would serve, and may raise before anything moves.

    Raises NoTargetVersionError if the challenger was compared with another champion than the
    current one, because its gates did not judge this comparison. The same holds for a challenger
    that was left by a rollback, unless `number` names it. Raises ConcurrentPromotionError if the
    champion moved during these checks.
    """
    require_reason(who, why)
    seen = champion_position(registry)
    before = registry.get_by_alias(CHAMPION)
    after = registry.get_by_alias(CHALLENGER) if number is None else registry.version(number)
    if after is None:
        raise NoTargetVersionError("there is no challenger to promote; `train` makes one")
    if before and before.number == after.number:
        raise NoTargetVersionError(f"version {after.number} is the champion already")
    if number is None and (after := with_history(after, registry.history())).rolled_back:
        raise NoTargetVersionError(
            f"version {after.number} was {after.rolled_back}. To promote it anyway, name it: "
            f"--version {after.number} (make: VERSION={after.number})"
        )
    if number is None and (errors := reason_not_compared(before, after)):
        raise NoTargetVersionError(errors)
    _require_loadable(registry, after, seam, settings, must=True)
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
    """Make the champion's predecessor, or the former champion `number`, the champion again.

    Returns (before, after). It skips a predecessor that was itself left by a rollback. Raises
    NoTargetVersionError if there is no such version, and ConcurrentPromotionError if the champion
    moved meanwhile.
    """
    require_reason(who, why)
    seen = champion_position(registry)
    before = registry.get_by_alias(CHAMPION)
    if before is None:
        raise NoTargetVersionError("there is no champion, so there is nothing to roll back")
    after = (
        find_predecessor(registry, before)
        if number is None
        else former_champion(registry, before, number)
    )
    _require_loadable(registry, after, seam, settings)
    _move(registry, "rollback", seen, before, after, who, why)
    return before, after


def _require_loadable(
    registry: Registry,
    version: Version,
    seam: Seam | None,
    settings: Settings | None,
    *,
    must: bool = False,
) -> None:
    """Load the version as the service would, if `seam` and `settings` are given.

    Raises NoTargetVersionError if the service would refuse it. Raises RegistryError if it cannot be
    fetched and `must` be checked.
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
                f"service: {error}. Nothing moved; if the service runs other code than this, "
                "add --skip-load-check"
            ) from error
        except RegistryError:
            if must:
                raise
            # The version cannot be checked. A service may still hold it, and a rollback must not
            # wait.


def _move(
    registry: Registry,
    action: str,
    seen: Position,
    before: Version | None,
    after: Version,
    who: str,
    why: str,
) -> None:
    """Write the tags, then move the alias, then check that the alias stayed.

    The alias moves last, so that a crash before does not change which version serves.
    """
    with exclusive_move(registry, who, seen):
        at = datetime.now(UTC).isoformat(timespec="seconds")
        # A promotion of a predecessor leaves the current champion for good, so rollbacks must not
        # return to it.
        if (
            action == "promote"
            and before
            and after.number not in [v.number for v in predecessors(registry, before)]
        ):
            registry.tag(after.number, "previous", str(before.number))
        if action == "rollback" and before:
            for name, value in {"by": who, "why": why, "at": at}.items():
                registry.tag(before.number, f"rolled_back.{name}", value)
        # A person has named the version, so it may serve again.
        if ROLLED_BACK in after.tags:
            registry.drop_tag(after.number, ROLLED_BACK)
        for name, value in {"by": who, "at": at, "why": why}.items():
            registry.tag(after.number, f"{action}.{name}", value)
        registry.set_alias(CHAMPION, after)
        registry.record(
            action, version=after.number, before=before.number if before else None, who=who, why=why
        )
        now = registry.get_by_alias(CHAMPION)
    if now is None or now.number != after.number:
        raise ConcurrentPromotionError(
            f"version {after.number} was made champion, and at once somebody else changed the "
            f"champion to {f'version {now.number}' if now else 'none'}. Run `list-versions`, "
            f"then decide again"
        )
