"""Follow the registry: bring the champion's bundle into MODEL_DIR, whole, verified, and then point at it."""

import contextlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

from ..bundle.manifest import PROVENANCE, bundle_digest
from ..settings import Settings
from .registry import CHAMPION, Registry, RegistryError

KEEP = 5  # bundles kept in MODEL_DIR, newest first


def sync(registry: Registry, models: Path) -> str | None:
    """One look at the registry. Gives the digest that was newly pointed at, or None when nothing changed.

    Raises RegistryError when the registry is away or delivers other bytes than were registered; nothing changes then.
    """
    champion = registry.behind(CHAMPION)
    pointer = models / f"{CHAMPION}.json"
    now = json.loads(pointer.read_text()) if pointer.exists() else {}
    if champion is None or (now.get("digest"), now.get("version")) == (champion.digest, champion.number):
        return None
    versions = models / "versions"
    kept = versions / champion.digest
    if kept.exists() and digest_of(kept) != champion.digest:
        shutil.rmtree(kept)  # damaged since it came
    if not kept.exists():
        versions.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=models) as folder:
            bundle = registry.download(champion, Path(folder))
            if (found := digest_of(bundle)) != champion.digest:
                raise RegistryError(
                    f"version {champion.number} is {champion.digest[:12]} but came as {found[:12]}: refused"
                )
            bundle.replace(kept)
    before = {key: now[key] for key in ("digest", "version") if key in now}
    _write(pointer, {"digest": champion.digest, "version": champion.number, "previous": before or None})
    _clean(versions, {champion.digest, str(before.get("digest"))})
    return champion.digest


def digest_of(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != PROVENANCE]
    return bundle_digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def follow(settings: Settings, stop: threading.Event) -> None:
    """Sync until told to stop. A registry that is away is said once and asked again; what serves goes on serving."""
    registry, said = None, ""
    while not settings.tracking_uri and not settings.database.exists() and not stop.is_set():
        stop.wait(settings.poll_seconds)  # nothing was ever registered; whoever trains first makes the database
    while not stop.is_set():
        try:
            registry = registry or Registry(settings)
            if digest := sync(registry, settings.models):
                print(f"follower: champion is now {digest[:12]}", flush=True)
            said = ""
        except Exception as error:  # whatever it is, the follower must live: it is the only way a rollback arrives
            if str(error) != said:
                print(f"follower: {error}; trying again every {settings.poll_seconds:g} s", flush=True)
            said = str(error)
        stop.wait(settings.poll_seconds)


def _write(pointer: Path, content: object) -> None:
    draft = pointer.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(content) + "\n")
    draft.replace(pointer)


def _clean(versions: Path, used: set[str]) -> None:
    """Remove bundles beyond the newest few; never one that a pointer names."""
    folders = sorted(versions.iterdir(), key=lambda path: -path.stat().st_mtime)
    for folder in folders[KEEP:]:
        if folder.name not in used:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
