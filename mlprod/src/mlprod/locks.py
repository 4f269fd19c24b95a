"""A lock on a file or folder of this machine; the kernel releases it when its process ends."""

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from .display.plain_text import display

try:
    import fcntl
except ImportError:
    # Windows has no such locks. There the users make sure that one process works in a folder.
    fcntl = None  # type: ignore[assignment]

PAUSE = 0.1  # seconds between two attempts
# Errors of a place where no process can hold a lock or write anything.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EROFS, errno.EACCES, errno.ENOENT)


class LockHeldError(Exception):
    """Another process holds the lock; the message names the process and since when."""


@contextmanager
def locked(path: Path, what: str, who: str, works: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, or of a folder as it is, while the body runs.

    Another process gets a message with `what` and `who`, and with what `works` for it. `wait` is
    how many seconds to wait for another holder. The kernel releases the lock when the process ends,
    so a dead process leaves no lock behind.

    Raises LockHeldError if another process still holds the lock after `wait` seconds.
    """
    with contextlib.ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _open(path)
            opened.callback(os.close, handle)
            _acquire(handle, time.monotonic() + wait)
        except BlockingIOError as error:
            place = path if path.is_dir() else path.parent
            raise LockHeldError(
                display(f"{_holder(handle)} works with {place}. {works}")
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            yield
            return
        _write(
            handle,
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "what": what,
                "who": who,
                "since": _now(),
            },
        )
        try:
            yield
        finally:
            _write(handle, None)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except (PermissionError, IsADirectoryError):
        # Another account made the file, or it is a folder. Reading is enough to lock it.
        return os.open(path, os.O_RDONLY)


def _acquire(handle: int, until: float) -> None:
    """Take the lock. Raises BlockingIOError if another process holds it until then."""
    while fcntl:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
        else:
            break
        time.sleep(PAUSE)


def _holder(handle: int) -> str:
    try:
        result = json.loads(os.pread(handle, 10_000, 0))
        process = f"process {result['pid']} on {result['host']} since {result['since']}"
        return f"{result['what']} of {result['who']}, {process},"
    except (OSError, ValueError, KeyError, TypeError):
        # The lock is on a folder, or its holder has not written its name yet.
        return "another process"


def _write(handle: int, facts: dict[str, object] | None) -> None:
    # With a full disk, or in a file of another account, the lock holds without a name.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(facts).encode() if facts else b"", 0)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
