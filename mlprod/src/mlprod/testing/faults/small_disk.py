"""A file system that is soon full."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of its own that is soon full; None where it cannot be had."""
    folder.mkdir()
    mount = [
        shutil.which("mount") or "",
        "-t",
        "tmpfs",
        "-o",
        f"size={megabytes}m",
        "faults",
        str(folder),
    ]
    if not mount[0] or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "", "--lazy", str(folder)], check=True)
