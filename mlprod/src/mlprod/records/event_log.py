"""The event log: what was answered lies in a file of this machine before the answer leaves, until the database has it.

What `append` has returned from survives the end of the process, kill -9 included: the kernel holds it. It does not
survive the loss of the machine; docs/records.md says what each loss costs. When the folder is removed under a running
service, what waited in the last file goes on in a new one, and what older files held is counted as lost.
"""

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .log_files import LOCK, is_file_at, lock_of, logs_in, try_to_write, write_all

SEGMENT = 8_000_000  # bytes after which a new file begins, so that shipped ones can go
BATCH = 250_000  # bytes read at once: short transactions, so that outcomes need not wait for them
HOLD_SECONDS = 5.0  # from the last event that was refused until the log counts as writable again
ROOM = 0.9  # share of the limit below which it does


class SpoolError(Exception):
    """Nothing more can be written down, so nothing more may be answered."""


@dataclass(eq=False)
class Segment:
    """A file of the log, its size, and how many events in it are not shipped."""

    path: Path
    bytes: int = 0
    events: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why an event of a length could not be written, and when."""

    reason: str
    length: int
    at: float


class Spool:
    """Files of lines `crc32 event`, oldest first, in a folder that belongs to one process.

    Any thread may `append` and `check`; one reads: `read`, then `shipped`. `bytes` and `events` wait, `lost` no
    database will hold.
    """

    _file: int  # of the last segment, which is written to
    _links: int  # names that it has; fewer once it is removed

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes of all files. Raises SpoolError when the folder cannot be used or another service has it."""
        self.folder, self.limit, self._lock = folder, limit, threading.Lock()
        self._offset = self.lost = 0
        self._lines: list[bytes] = []  # read and not shipped
        self._reading: Segment | None = None  # from which they are
        self._count, self._damaged = 0, list[bytes]()  # of those lines that `read` gave
        self._refusal: Refusal | None = None
        self._news, self._closed = "", False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._owner = self._own()
            found = [(path, path.read_bytes()) for path in logs_in(folder)]
            self._segments = [Segment(path, len(content), content.count(b"\n")) for path, content in found]
            self._begin(b"")
        except OSError as error:
            raise SpoolError(f"the event log cannot be kept in {folder}: {error}") from error
        self.bytes = sum(segment.bytes for segment in self._segments)
        self.events = sum(segment.events for segment in self._segments)

    @property
    def refuses(self) -> str:
        """Why predictions are refused; empty while they can be written down."""
        refusal = self._refusal
        return refusal.reason if refusal else ""

    def append(self, event: bytes) -> None:
        """Write one event, a line of JSON. Raises SpoolError, and leaves no part of it, when there is no room."""
        line = b"%08x %s\n" % (zlib.crc32(event), event)
        with self._lock:
            if self.bytes + len(line) > self.limit:
                reason = f"{self.bytes:,} bytes wait for the database; the limit is {self.limit:,}"
                raise self._refused(reason, len(line))
            try:
                if self._segments[-1].bytes >= SEGMENT:
                    full = self._file
                    self._begin(b"")
                    os.close(full)
                self._write(line)
                found = os.fstat(self._file)
                if found.st_nlink < self._links or found.st_size < self._segments[-1].bytes + len(line):
                    _again_if_gone(self._restore)
                    self._write(line)
            except (OSError, SpoolError) as error:
                raise self._refused(f"the event log cannot be written: {error}", len(line)) from error
            self._segments[-1].bytes += len(line)
            self._segments[-1].events += 1
            self.bytes += len(line)
            self.events += 1

    def check(self) -> str:
        """Look whether the log is still in its place and can be written, which `append` may not have tried for long.
        Gives what is worth a line of the service's log."""
        with self._lock:
            if self._closed:
                return ""
            try:
                _again_if_gone(self._look)
            except (OSError, SpoolError) as error:
                self._refused(f"the event log cannot be written: {error}", 0)
            news, self._news = self._news, ""
        return news.removesuffix("; ")

    def read(self, most: int | None = None) -> list[bytes]:
        """The next events, oldest first, not more than `most`; the same again until `shipped`. Empty: all are
        shipped."""
        while self._lines or self._fetch():
            lines = self._lines[:most]
            self._count, self._damaged = len(lines), [line for line in lines if not _whole(line)]
            if events := [line[9:] for line in lines if _whole(line)]:
                return events
            self.shipped()
        return []

    def shipped(self) -> None:
        """What `read` gave is in the database, or kept aside."""
        for line in self._damaged:  # only now, since `read` may be repeated
            self._aside("damaged", line + b"\n")
        with self._lock:
            shipped, self._lines = self._lines[: self._count], self._lines[self._count :]
            self.lost += len(self._damaged)
            self.events -= len(shipped)
            if self._reading is self._segments[0]:  # else its file was removed meanwhile
                self._offset += sum(map(len, shipped)) + len(shipped)
                self._reading.events -= len(shipped)
            self._count, self._damaged = 0, []
            last = self._segments[-1]
            if self._segments[0] is last and self._offset == last.bytes:
                os.ftruncate(self._file, 0)
                self.bytes -= last.bytes
                last.bytes = self._offset = 0

    def refuse(self, event: bytes) -> None:
        """Keep aside an event that the database will never take."""
        self._aside("refused", event + b"\n")
        with self._lock:
            self.lost += 1

    def close(self) -> None:
        """Let go of the folder. What is not shipped stays for the next process."""
        with self._lock:
            self._closed = True
            os.close(self._file)
            os.close(self._owner)

    def _fetch(self) -> bool:
        """Read the next lines, which are held until they are shipped; False when there is none."""
        while True:
            with self._lock:  # whether more follow is asked first: what is written later must not go with the file
                segment, offset, ended = self._segments[0], self._offset, len(self._segments) > 1
            try:
                with segment.path.open("rb") as file:
                    file.seek(offset)
                    chunk = file.read(BATCH)
                    chunk += b"" if b"\n" in chunk else file.readline()
            except (FileNotFoundError, NotADirectoryError):
                with self._lock, contextlib.suppress(OSError, SpoolError):
                    self._look()
                if self._segments[0] is segment and not segment.path.exists():
                    return False  # it cannot be made again now
                continue
            end = chunk.rfind(b"\n")
            with self._lock:
                if self._segments[0] is not segment:
                    continue
                if end >= 0:
                    self._lines, self._reading = chunk[:end].split(b"\n"), segment
                    return True
                if not ended:
                    return False
                if chunk:  # the process ended while it wrote this; its answer never left
                    self._aside("torn", chunk)
                segment.path.unlink(missing_ok=True)
                self._drop(segment)

    def _own(self) -> int:
        try:
            return lock_of(self.folder)
        except BlockingIOError as error:
            raise SpoolError(
                f"a service already runs with {self.folder}. Stop it, or start a second one apart from it: "
                "ML_SPOOL=var/spool-2 ML_PORT=8010 ML_OPS_PORT=8011"
            ) from error

    def _begin(self, content: bytes) -> None:
        """Write to a new file from now on, which begins with some content."""
        numbers = [int(path.stem) for path in (*logs_in(self.folder), *(each.path for each in self._segments))]
        path = self.folder / f"{max(numbers, default=0) + 1:08}.log"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            write_all(file, content)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file, self._links = file, os.fstat(file).st_nlink
        self._segments.append(Segment(path, len(content)))

    def _write(self, line: bytes) -> None:
        try:
            write_all(self._file, line)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._segments[-1].bytes)
            raise

    def _look(self) -> None:
        """Make good what somebody removed, and try whether an event could be written that was refused."""
        last = self._segments[-1]
        if not is_file_at(self._file, last.path) or os.fstat(self._file).st_size < last.bytes:
            self._restore()
        elif not is_file_at(self._owner, self.folder / LOCK):
            self._own_again()
        for segment in self._segments[:-1]:
            if not segment.path.exists():
                self._drop(segment)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            self.folder.stat()  # it may just have gone
            raise PermissionError(f"no right to write in {self.folder}")
        refusal = self._refusal
        if not refusal or time.monotonic() < refusal.at + HOLD_SECONDS:
            return
        if self.bytes <= ROOM * self.limit and self.bytes + refusal.length <= self.limit:
            try_to_write(self.folder / "probe", refusal.length)
            self._refusal, self._news = None, f"{self._news}the event log in {self.folder} can be written again; "

    def _restore(self) -> None:
        """Go on in a new file with what the last one held, which somebody removed or cut while it was open."""
        last, before = self._segments[-1], self._file
        os.lseek(before, 0, os.SEEK_SET)
        content = b"".join(iter(lambda: os.read(before, SEGMENT), b""))[: last.bytes]
        self.folder.mkdir(parents=True, exist_ok=True)
        if not is_file_at(self._owner, self.folder / LOCK):
            self._own_again()
        self._begin(content if len(content) == last.bytes else b"")
        os.close(before)
        if len(content) == last.bytes:
            last.path = self._segments.pop().path
        else:
            self._drop(last)
        self._news += f"the event log in {self.folder} was removed while the service ran, and was made again; "

    def _own_again(self) -> None:
        before, self._owner = self._owner, self._own()
        os.close(before)

    def _drop(self, segment: Segment) -> None:
        """Forget a file. The events that it held are lost, but for those that are read and will yet be shipped."""
        lost = segment.events - (len(self._lines) if segment is self._reading else 0)
        if segment is self._segments[0]:
            self._offset = 0
        self._segments.remove(segment)
        self.lost += lost
        self.events -= lost
        self.bytes -= segment.bytes
        if lost:
            self._news += f"{lost:,} predictions are lost with {segment.path}; "

    def _refused(self, reason: str, length: int) -> SpoolError:
        if not self._refusal:
            self._news += f"predictions are refused: {reason}; "
        self._refusal = Refusal(reason, length, time.monotonic())
        return SpoolError(reason)

    def _aside(self, why: str, content: bytes) -> None:
        """Keep for a person what no database will hold; on a full disk only its count remains."""
        path, flags = self.folder / f"{why}.kept", os.O_CREAT | os.O_WRONLY | os.O_APPEND
        with contextlib.suppress(OSError), os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(content)


def _again_if_gone(step: Callable[[], None]) -> None:
    """Do a step, and once more where its folder was removed while it was done."""
    try:
        step()
    except FileNotFoundError:
        step()


def _whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:])
