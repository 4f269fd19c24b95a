"""Follower of the registry: it puts the champion's verified bundle into MODEL_DIR."""

import contextlib
import re
import shutil
import tempfile
import threading
from pathlib import Path

from pydantic import ValidationError

from ..atomic_write import atomic_write
from ..bundle.manifest import folder_digest
from ..bundle.model_dir import (
    CHAMPION_FILE,
    ROLLBACK_FILE,
    VERSIONS,
    ModelRef,
    Pointer,
    read_pointer,
    read_rollback,
)
from ..display.masking import masked
from ..display.plain_text import display
from ..locks import locked
from ..settings import Settings
from .predecessors import predecessors, reason_unusable
from .registry import CHAMPION, Registry, RegistryError, Version

# The time to wait for another sync into the same folder.
SYNC_WAIT_SECONDS = 60.0
BUNDLE_DIGEST = re.compile("[0-9a-f]{64}")
# The newest champions whose bundles stay in MODEL_DIR.
MAX_REMEMBERED = 5


def sync(registry: Registry, models: Path, *, verify: bool = True) -> str | None:
    """Read the champion from the registry once, and fetch its bundle if it changed.

    Returns the champion's digest if MODEL_DIR changed, else None. With `verify` it compares the
    stored bundle with its digest, and fetches a damaged one again.

    Raises RegistryError if the registry does not respond, or delivers other bytes than were
    registered. Then MODEL_DIR does not change.
    """
    if registry.get_by_alias(CHAMPION) is None:
        return None
    models.mkdir(parents=True, exist_ok=True)
    with locked(models, "a sync", "", "Try again", SYNC_WAIT_SECONDS):
        return _sync(registry, models, verify)


def _sync(registry: Registry, models: Path, verify: bool) -> str | None:
    champion = registry.get_by_alias(CHAMPION)
    if champion is None:
        return None
    if not BUNDLE_DIGEST.fullmatch(champion.digest):
        raise RegistryError(
            f"version {champion.number} names no bundle: its tag is {champion.digest[:80]!r}, but "
            "must be a digest of 64 hexadecimal digits; refused"
        )
    now, stored = _read(models), models / VERSIONS / champion.digest
    whole = stored.exists() and (not verify or folder_digest(stored) == champion.digest)
    known = now and (now.champion, now.since) == (_named(champion), champion.since)
    if whole and now and known and (now.back is not None or not verify):
        return None
    if not whole:
        _fetch(registry, champion, models)
    back = _back(registry, champion)
    history = [now.champion, *now.previous] if now else []
    _write_pointer(models, champion, history, back)
    if back and _fetch_for_rollback(registry, back[0], models):
        _write_pointer(models, champion, [_named(back[0]), *history], back)
    return champion.digest


def _write_pointer(
    models: Path, champion: Version, history: list[ModelRef], back: list[Version] | None
) -> None:
    """Write the pointer, and remove the bundles that it no longer names."""
    held = [item for item in dict.fromkeys(history) if (models / VERSIONS / item.digest).exists()]
    previous = [item for item in held if item != _named(champion)][: MAX_REMEMBERED - 1]
    numbers = None if back is None else tuple(version.number for version in back)
    pointer = Pointer(
        digest=champion.digest,
        version=champion.number,
        previous=tuple(previous),
        since=champion.since,
        back=numbers,
    )
    atomic_write(models / CHAMPION_FILE, pointer.model_dump_json().encode() + b"\n", 0o644)
    with contextlib.suppress(OSError, ValidationError):
        made_here = read_rollback(models)
        if made_here and not made_here.applies(pointer):
            # The registry's champion has moved since this rollback.
            (models / ROLLBACK_FILE).unlink()
    _remove_unused(models / VERSIONS, {item.digest for item in (pointer, *previous)})


def _fetch(registry: Registry, version: Version, models: Path) -> None:
    """Fetch the complete bundle of a version into MODEL_DIR. Raises RegistryError."""
    stored = models / VERSIONS / version.digest
    stored.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=models) as folder:
        bundle = registry.download(version, Path(folder))
        if (result := folder_digest(bundle)) != version.digest:
            raise RegistryError(
                f"version {version.number} is {version.digest[:12]} but arrived as {result[:12]}; "
                "refused"
            )
        shutil.rmtree(stored, ignore_errors=True)
        bundle.replace(stored)


def _back(registry: Registry, champion: Version) -> list[Version] | None:
    """Return the versions that a rollback would reach, nearest first; None if they are unknown."""
    try:
        result = [
            version for version in predecessors(registry, champion) if not reason_unusable(version)
        ]
        return [version for version in result if BUNDLE_DIGEST.fullmatch(version.digest)]
    except RegistryError as error:
        print(f"follower: the predecessors are unknown: {display(error)}", flush=True)
        return None


def _fetch_for_rollback(registry: Registry, version: Version, models: Path) -> bool:
    """Fetch the bundle that a rollback would reach, and return whether MODEL_DIR has it.

    So a rollback works while the registry is down.
    """
    try:
        if not (models / VERSIONS / version.digest).exists():
            _fetch(registry, version, models)
    except RegistryError as error:
        print(
            f"follower: no rollback is possible without the registry: {display(error)}", flush=True
        )
        return False
    return True


def _named(version: Version) -> ModelRef:
    return ModelRef(digest=version.digest, version=version.number)


def follow(settings: Settings, stop: threading.Event) -> None:
    """Sync every `poll_seconds` until `stop` is set.

    An error is printed once while it repeats, and the serving version goes on serving.
    """
    registry, message, verified = None, "", False
    # Nothing was ever registered; the first training creates the database.
    while not settings.tracking_uri and not settings.database.exists() and not stop.is_set():
        stop.wait(settings.poll_seconds)
    while not stop.is_set():
        try:
            registry = registry or Registry(settings)
            if digest := sync(registry, settings.models, verify=not verified):
                print(f"follower: champion is now {digest[:12]}", flush=True)
            message, verified = "", True
        # The follower must survive every error, because only it delivers a rollback.
        except Exception as error:
            if str(error) != message:
                shown = display(masked(str(error)))
                print(
                    f"follower: {shown}; trying again every {settings.poll_seconds:g} s", flush=True
                )
            message = str(error)
        stop.wait(settings.poll_seconds)


def _read(models: Path) -> Pointer | None:
    """Read the pointer; None if it is absent or damaged, so that it is written again."""
    try:
        return read_pointer(models)
    except (OSError, ValidationError):
        return None


def _remove_unused(versions: Path, used: set[str]) -> None:
    """Remove the bundles that the pointer does not name."""
    for folder in versions.iterdir():
        if folder.name not in used:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
