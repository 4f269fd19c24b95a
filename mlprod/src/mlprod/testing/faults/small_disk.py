"""A file system with little space."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """Mount a small file system; yields None if this machine does not allow it."""
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
