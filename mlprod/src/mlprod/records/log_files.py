"""The files of the event log, as the operating system has them."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: that only one service uses a folder is up to you there
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"


@dataclass(eq=False)
class Segment:
    """A file of the log, its size, and how many events in it are not shipped.

    `offset`: the bytes that are shipped; `read`: the events that are read and not shipped, which
    will be even if the file is removed.
    """

    path: Path
    bytes: int = 0
    events: int = 0
    offset: int = 0
    read: int = 0


def logs_in(folder: Path) -> list[Path]:
    """The log's files, oldest first."""
    return sorted(path for path in folder.glob("*.log") if path.stem.isdigit())


def lock_of(folder: Path) -> int:
    """The handle by which this process alone has a folder.

    Raises BlockingIOError when another has it.
    """
    file = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    if fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise
    return file


def is_file_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one that has this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_all(file: int, content: bytes) -> None:
    """Raises OSError when there is no space for all of it."""
    if os.write(file, content) < len(content):
        raise OSError("no space for all of it")


def try_to_write(path: Path, length: int) -> None:
    """Raises OSError when so many bytes cannot be written beside."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        write_all(file, bytes(length))
    finally:
        os.close(file)
        path.unlink(missing_ok=True)


def keep_aside(folder: Path, why: str, content: bytes) -> None:
    """Keep for a person what no database will hold; on a full disk only its count remains."""
    path, flags = folder / f"{why}.kept", os.O_CREAT | os.O_WRONLY | os.O_APPEND
    with contextlib.suppress(OSError), os.fdopen(os.open(path, flags, 0o600), "ab") as file:
        file.write(content)
