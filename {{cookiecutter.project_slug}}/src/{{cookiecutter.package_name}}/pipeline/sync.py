"""Follow the registry: bring the champion's bundle into MODEL_DIR, whole, verified, and then point at it."""

import contextlib
import json
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from ..bundle.manifest import folder_digest
from ..locks import locked
from ..masking import masked
from ..plain_text import display
from ..settings import Settings
from .registry import CHAMPION, Registry, RegistryError

WAIT = 60.0  # seconds for another sync into the same folder
DIGEST = re.compile("[0-9a-f]{64}")
KEEP = 5  # champions, newest first, that MODEL_DIR remembers and whose bundles it keeps


def sync(registry: Registry, models: Path, *, verify: bool = True) -> str | None:
    """One look at the registry. Gives the digest that was newly pointed at, or None when nothing changed.

    With `verify` the bundle that lies there is compared with its digest, and fetched again when it was damaged.
    Raises RegistryError when the registry is away or delivers other bytes than were registered; nothing changes then.
    """
    if registry.behind(CHAMPION) is None:
        return None
    models.mkdir(parents=True, exist_ok=True)
    with locked(models, "a sync", "", "Try again", WAIT):
        return _sync(registry, models, verify)


def _sync(registry: Registry, models: Path, verify: bool) -> str | None:
    champion = registry.behind(CHAMPION)
    if champion is None:
        return None
    if not DIGEST.fullmatch(champion.digest):
        raise RegistryError(f"version {champion.number} names no bundle, only {champion.digest[:80]!r}: refused")
    pointer, versions = models / f"{CHAMPION}.json", models / "versions"
    now, kept = _read(pointer), versions / champion.digest
    whole = kept.exists() and (not verify or folder_digest(kept) == champion.digest)
    named = {"digest": champion.digest, "version": champion.number}
    if whole and now[:1] == [named]:
        return None
    if not whole:
        versions.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=models) as folder:
            bundle = registry.download(champion, Path(folder))
            if (found := folder_digest(bundle)) != champion.digest:
                raise RegistryError(
                    f"version {champion.number} is {champion.digest[:12]} but came as {found[:12]}: refused"
                )
            shutil.rmtree(kept, ignore_errors=True)
            bundle.replace(kept)
    history = [named, *(item for item in now if item != named)][:KEEP]
    _write(pointer, named | {"previous": history[1:]})
    _clean(versions, {item["digest"] for item in history})
    return champion.digest


def follow(settings: Settings, stop: threading.Event) -> None:
    """Sync until told to stop. A registry that is away is said once and asked again; what serves goes on serving."""
    registry, said, looked = None, "", False
    while not settings.tracking_uri and not settings.database.exists() and not stop.is_set():
        stop.wait(settings.poll_seconds)  # nothing was ever registered; whoever trains first makes the database
    while not stop.is_set():
        try:
            registry = registry or Registry(settings)
            if digest := sync(registry, settings.models, verify=not looked):
                print(f"follower: champion is now {digest[:12]}", flush=True)
            said, looked = "", True
        except Exception as error:  # whatever it is, the follower must live: it is the only way a rollback arrives
            if str(error) != said:
                shown = display(masked(str(error)))
                print(f"follower: {shown}; trying again every {settings.poll_seconds:g} s", flush=True)
            said = str(error)
        stop.wait(settings.poll_seconds)


def _read(pointer: Path) -> list[dict[str, Any]]:
    """What the pointer names, then what it named before; nothing when it is absent or damaged, and so rewritten."""
    try:
        found = json.loads(pointer.read_text())
        return [{key: item[key] for key in ("digest", "version")} for item in (found, *found["previous"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write(pointer: Path, content: object) -> None:
    draft = pointer.with_suffix(f".{os.getpid()}")
    with draft.open("w") as file:
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(pointer)


def _clean(versions: Path, used: set[str]) -> None:
    """Remove the bundles that the pointer no longer remembers."""
    for folder in versions.iterdir():
        if folder.name not in used:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
