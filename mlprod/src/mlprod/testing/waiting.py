"""What tests of a running service share: a champion in its folder, and patience."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path


def point(
    models: Path, bundle: Path, version: int, *previous: dict[str, object]
) -> dict[str, object]:
    """Make a bundle the champion of MODEL_DIR, as the follower does: the folder first, then the
    pointer at once.
    """
    if not (models / "versions" / bundle.name).exists():
        shutil.copytree(bundle, models / "versions" / bundle.name)
    here: dict[str, object] = {"digest": bundle.name, "version": version}
    (models / "draft").write_text(json.dumps(here | {"previous": previous}))
    (models / "draft").replace(models / "champion.json")
    return here


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return once `holds` does, within some seconds. What is not there yet does not hold."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.01)
    raise AssertionError("this did not come to hold")
