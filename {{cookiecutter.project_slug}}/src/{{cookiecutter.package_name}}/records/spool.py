"""The event log: what was answered lies in a file of this machine before the answer leaves, until the database has it.

What `append` has returned from survives the end of the process, kill -9 included: the kernel holds it. It does not
survive the loss of the machine or of the folder; docs/records.md says what each loss costs.
"""

import contextlib
import os
import threading
import zlib
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: that only one service uses a folder is up to you there
    fcntl = None  # type: ignore[assignment]

SEGMENT = 8_000_000  # bytes after which a new file begins, so that shipped ones can go
BATCH = 250_000  # bytes read at once: short transactions, so that outcomes need not wait for them


class SpoolError(Exception):
    """Nothing more can be written down, so nothing more may be answered."""


class Spool:
    """Files of lines `crc32 event`, oldest first, in a folder that belongs to one process.

    Any thread may `append`; one reads: `read`, then `shipped`. `bytes` and `events` wait, `lost` no database will hold.
    """

    _path: Path
    _file: int
    _size: int
    _damaged: list[bytes]

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes of all files. Raises SpoolError when the folder cannot be used or another service has it."""
        self.folder, self.limit, self._lock = folder, limit, threading.Lock()
        self._offset = self._read = self._count = self.lost = 0
        self._damaged = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._owner = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            if fcntl:
                fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = self._segments()
            self.bytes = sum(path.stat().st_size for path in left)
            self.events = sum(path.read_bytes().count(b"\n") for path in left)
            self._begin(int(left[-1].stem) + 1 if left else 1)
        except BlockingIOError as error:
            os.close(self._owner)
            raise SpoolError(
                f"a service already runs with {folder}. Stop it, or start a second one apart from it: "
                "ML_SPOOL=var/spool-2 ML_PORT=8010 ML_OPS_PORT=8011"
            ) from error
        except OSError as error:
            raise SpoolError(f"the event log cannot be kept in {folder}: {error}") from error

    def append(self, event: bytes) -> None:
        """Write one event, a line of JSON. Raises SpoolError, and leaves no part of it, when there is no room."""
        line = b"%08x %s\n" % (zlib.crc32(event), event)
        with self._lock:
            if self.bytes + len(line) > self.limit:
                raise SpoolError(f"{self.bytes:,} bytes wait for the database; the limit is {self.limit:,}")
            try:
                if self._size >= SEGMENT:
                    full = self._file
                    self._begin(int(self._path.stem) + 1)
                    os.close(full)
                if os.write(self._file, line) < len(line):
                    raise OSError("no space for all of it")  # noqa: TRY301 - as the kernel says it of none of it
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
                raise SpoolError(f"the event log cannot be written: {error}") from error
            self._size += len(line)
            self.bytes += len(line)
            self.events += 1

    def read(self, most: int | None = None) -> list[bytes]:
        """The next events, oldest first, not more than `most`; the same again until `shipped`. Empty: all are
        shipped."""
        for path in self._segments():
            ended = path != self._path  # asked before the look: what is written after it must not go with the file
            with path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(BATCH)
                chunk += b"" if b"\n" in chunk else file.readline()
            self._read = chunk.rfind(b"\n") + 1
            if self._read:
                lines = chunk[: self._read - 1].split(b"\n")[:most]
                self._read = sum(map(len, lines)) + len(lines)
                self._count, self._damaged = len(lines), [line for line in lines if not _whole(line)]
                if events := [line[9:] for line in lines if _whole(line)]:
                    return events
                self.shipped()
                return self.read(most)
            if not ended:
                break
            if chunk:  # the process ended while it wrote this; its answer never left
                self._aside("torn", chunk)
            self._remove(path)
        return []

    def shipped(self) -> None:
        """What `read` gave is in the database, or kept aside."""
        for line in self._damaged:  # only now, since `read` may be repeated
            self._aside("damaged", line + b"\n")
        self.lost += len(self._damaged)
        self._damaged = []
        with self._lock:
            self._offset += self._read
            self.events -= self._count
            self._read = self._count = 0
            if self._offset == self._size and self._segments()[:1] == [self._path]:
                os.ftruncate(self._file, 0)
                self.bytes -= self._size
                self._size = self._offset = 0

    def refuse(self, event: bytes) -> None:
        """Keep aside an event that the database will never take."""
        self._aside("refused", event + b"\n")
        self.lost += 1

    def close(self) -> None:
        """Let go of the folder. What is not shipped stays for the next process."""
        os.close(self._file)
        os.close(self._owner)

    def _begin(self, number: int) -> None:
        path = self.folder / f"{number:08}.log"
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._path, self._size = path, 0

    def _segments(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.log") if path.stem.isdigit())

    def _remove(self, path: Path) -> None:
        size = path.stat().st_size
        path.unlink()
        with self._lock:
            self.bytes -= size
            self._offset = 0

    def _aside(self, why: str, content: bytes) -> None:
        """Keep for a person what no database will hold; on a full disk only its count remains."""
        path, flags = self.folder / f"{why}.kept", os.O_CREAT | os.O_WRONLY | os.O_APPEND
        with contextlib.suppress(OSError), os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(content)


def _whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:])
