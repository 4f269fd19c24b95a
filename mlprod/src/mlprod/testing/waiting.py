"""Helpers for tests of a running service: set the champion, and wait for a condition."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path


def point(
    models: Path, bundle: Path, version: int, *previous: dict[str, object]
) -> dict[str, object]:
    """Make a bundle the champion of MODEL_DIR, as the follower does.

    It copies the folder first and then replaces the pointer atomically.
    """
    if not (models / "versions" / bundle.name).exists():
        shutil.copytree(bundle, models / "versions" / bundle.name)
    here: dict[str, object] = {"digest": bundle.name, "version": version}
    (models / "draft").write_text(json.dumps(here | {"previous": previous}))
    (models / "draft").replace(models / "champion.json")
    return here


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    """Wait until `holds` returns a true value. An OSError counts as false.

    Raises AssertionError after `seconds`.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.01)
    raise AssertionError(f"the condition was not met within {seconds:g} s")
