"""File operations of the event log."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:
    # Windows has no such lock: there the user ensures that one service uses a folder.
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"


@dataclass(eq=False)
class Segment:
    """A file of the log, its size, and its number of events that are not shipped.

    `offset`: the shipped bytes. `read`: the events that are read and not yet shipped; they are
    shipped even if the file is removed.
    """

    path: Path
    bytes: int = 0
    events: int = 0
    offset: int = 0
    read: int = 0


def log_paths(folder: Path) -> list[Path]:
    """List the log's files, oldest first."""
    return sorted(path for path in folder.glob("*.log") if path.stem.isdigit())


def lock_folder(folder: Path) -> int:
    """Lock a folder for this process; return the file descriptor that holds the lock.

    Raises BlockingIOError if another process has the lock.
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
    """Return whether `path` still names this open file."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_all(file: int, content: bytes) -> None:
    """Write the whole content. Raises OSError if there is not enough space."""
    if os.write(file, content) < len(content):
        raise OSError("not enough space")


def probe_write(path: Path, length: int) -> None:
    """Write `length` bytes to a temporary file. Raises OSError if that fails."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        write_all(file, bytes(length))
    finally:
        os.close(file)
        path.unlink(missing_ok=True)


def quarantine_line(folder: Path, why: str, content: bytes) -> None:
    """Append a line that the database will never have to `<why>.kept`, for a person to read.

    On a full disk the line is lost; the log still counts it.
    """
    path, flags = folder / f"{why}.kept", os.O_CREAT | os.O_WRONLY | os.O_APPEND
    with contextlib.suppress(OSError), os.fdopen(os.open(path, flags, 0o600), "ab") as file:
        file.write(content)
