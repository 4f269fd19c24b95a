"""One at a time in a folder of this machine: a lock that ends with its process, however that ends."""

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
except ImportError:  # Windows: that only one works in a folder is up to you there
    fcntl = None  # type: ignore[assignment]

PAUSE = 0.1  # seconds between two attempts
NO_LOCKS = (
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EROFS,
    errno.EACCES,
    errno.ENOENT,
)  # where nobody could hold one, or write anything


class LockHeldError(Exception):
    """Another process works there; the message says which, and since when."""


@contextmanager
def locked(path: Path, what: str, who: str, works: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, or of a folder as it is, while the body runs.

    `what` and `who` are shown to others, and what `works` for them; `wait` is how many seconds
    another holder is waited for.

    Raises LockHeldError. The kernel gives the lock back when the process ends, so none is left
    behind.
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
    except (PermissionError, IsADirectoryError):  # another account made it, or it is a folder
        return os.open(path, os.O_RDONLY)  # which is enough to lock it


def _acquire(handle: int, until: float) -> None:
    """Raises BlockingIOError when another process has it until then."""
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
        return f"{result['what']} of {result['who']}, process {result['pid']} on {result['host']} since {result['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # of a folder, or one that has not written its name yet


def _write(handle: int, facts: dict[str, object] | None) -> None:
    with contextlib.suppress(
        OSError
    ):  # a full disk, or the file of another account: the lock holds without a name
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(facts).encode() if facts else b"", 0)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
