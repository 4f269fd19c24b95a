"""Follow the registry: bring the champion's bundle into MODEL_DIR, whole, verified, and then point
at it.
"""

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
from .predecessors import predecessors, unusable
from .registry import CHAMPION, Registry, RegistryError, Version

WAIT = 60.0  # seconds for another sync into the same folder
DIGEST = re.compile("[0-9a-f]{64}")
KEEP = 5  # champions, newest first, that MODEL_DIR remembers and whose bundles it keeps


def sync(registry: Registry, models: Path, *, verify: bool = True) -> str | None:
    """One look at the registry.

    Gives the digest that was newly pointed at, or None when nothing changed.

    With `verify` the bundle that lies there is compared with its digest, and fetched again when it
    was damaged. Raises RegistryError when the registry is away or delivers other bytes than were
    registered; nothing changes then.
    """
    if registry.get_by_alias(CHAMPION) is None:
        return None
    models.mkdir(parents=True, exist_ok=True)
    with locked(models, "a sync", "", "Try again", WAIT):
        return _sync(registry, models, verify)


def _sync(registry: Registry, models: Path, verify: bool) -> str | None:
    champion = registry.get_by_alias(CHAMPION)
    if champion is None:
        return None
    if not DIGEST.fullmatch(champion.digest):
        raise RegistryError(
            f"version {champion.number} names no bundle, only {champion.digest[:80]!r}: refused"
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
    _point(models, champion, history, back)
    if back and _hold(registry, back[0], models):
        _point(models, champion, [_named(back[0]), *history], back)
    return champion.digest


def _point(
    models: Path, champion: Version, history: list[ModelRef], back: list[Version] | None
) -> None:
    """Write the pointer, and remove the bundles that it no longer remembers."""
    held = [item for item in dict.fromkeys(history) if (models / VERSIONS / item.digest).exists()]
    previous = [item for item in held if item != _named(champion)][: KEEP - 1]
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
            (models / ROLLBACK_FILE).unlink()  # the registry has moved since
    _clean(models / VERSIONS, {item.digest for item in (pointer, *previous)})


def _fetch(registry: Registry, version: Version, models: Path) -> None:
    """Bring the bundle of a version, whole. Raises RegistryError."""
    stored = models / VERSIONS / version.digest
    stored.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=models) as folder:
        bundle = registry.download(version, Path(folder))
        if (result := folder_digest(bundle)) != version.digest:
            raise RegistryError(
                f"version {version.number} is {version.digest[:12]} but came as {result[:12]}: refused"
            )
        shutil.rmtree(stored, ignore_errors=True)
        bundle.replace(stored)


def _back(registry: Registry, champion: Version) -> list[Version] | None:
    """The versions that a rollback would come to, nearest first; None when the registry cannot say."""
    try:
        result = [version for version in predecessors(registry, champion) if not unusable(version)]
        return [version for version in result if DIGEST.fullmatch(version.digest)]
    except RegistryError as error:
        print(f"follower: the way back is not known: {display(error)}", flush=True)
        return None


def _hold(registry: Registry, version: Version, models: Path) -> bool:
    """Have the bundle that a rollback would come to, so that there is a way back while the registry
    is away.
    """
    try:
        if not (models / VERSIONS / version.digest).exists():
            _fetch(registry, version, models)
    except RegistryError as error:
        print(f"follower: no way back without the registry: {display(error)}", flush=True)
        return False
    return True


def _named(version: Version) -> ModelRef:
    return ModelRef(digest=version.digest, version=version.number)


def follow(settings: Settings, stop: threading.Event) -> None:
    """Sync until told to stop.

    A registry that is away is said once and asked again; what serves goes on serving.
    """
    registry, message, looked = None, "", False
    while not settings.tracking_uri and not settings.database.exists() and not stop.is_set():
        stop.wait(
            settings.poll_seconds
        )  # nothing was ever registered; whoever trains first makes the database
    while not stop.is_set():
        try:
            registry = registry or Registry(settings)
            if digest := sync(registry, settings.models, verify=not looked):
                print(f"follower: champion is now {digest[:12]}", flush=True)
            message, looked = "", True
        except (
            Exception
        ) as error:  # whatever it is, the follower must live: it is the only way a rollback arrives
            if str(error) != message:
                shown = display(masked(str(error)))
                print(
                    f"follower: {shown}; trying again every {settings.poll_seconds:g} s", flush=True
                )
            message = str(error)
        stop.wait(settings.poll_seconds)


def _read(models: Path) -> Pointer | None:
    """What the pointer names; None when it is absent or damaged, and so rewritten."""
    try:
        return read_pointer(models)
    except (OSError, ValidationError):
        return None


def _clean(versions: Path, used: set[str]) -> None:
    """Remove the bundles that the pointer no longer remembers."""
    for folder in versions.iterdir():
        if folder.name not in used:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
