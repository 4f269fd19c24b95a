"""Reading the event log: the oldest events first, each until it is in the database or kept aside."""

import contextlib
import threading
import zlib

from .errors import SpoolError
from .log_files import Segment, keep_aside
from .log_segments import Segments

BATCH = 250_000  # bytes read at once: short transactions, so that outcomes need not wait for it


class LogReader:
    """For one thread, while others append; `lock` is the log's."""

    def __init__(self, files: Segments, lock: threading.Lock) -> None:
        self._files, self._lock = files, lock
        self._lines: list[bytes] = []  # read and not shipped
        self._reading: Segment | None = None  # from which they are
        self._count, self._damaged = 0, list[bytes]()  # of those lines that `read` gave

    def read(self, most: int | None = None) -> list[bytes]:
        """The next events, oldest first, not more than `most`; the same again until `shipped`.

        Empty: all are shipped.
        """
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
            keep_aside(self._files.folder, "damaged", line + b"\n")
        with self._lock:
            files, segment = self._files, self._reading
            shipped, self._lines = self._lines[: self._count], self._lines[self._count :]
            files.lost += len(self._damaged)
            files.events -= len(shipped)
            if segment and segment is files.first:  # else its file was removed meanwhile
                segment.offset += sum(map(len, shipped)) + len(shipped)
                segment.events -= len(shipped)
                segment.read -= len(shipped)
            self._count, self._damaged = 0, []
            files.give_back()

    def _fetch(self) -> bool:
        """Read the next lines, which are held until they are shipped; False when there is none."""
        files = self._files
        while True:
            with self._lock:  # whether more follow is asked first: what is written later must not go with the file
                segment, offset, ended = (
                    files.first,
                    files.first.offset,
                    files.first is not files.last,
                )
            try:
                with segment.path.open("rb") as file:
                    file.seek(offset)
                    chunk = file.read(BATCH)
                    chunk += b"" if b"\n" in chunk else file.readline()
            except (FileNotFoundError, NotADirectoryError):
                with self._lock, contextlib.suppress(OSError, SpoolError):
                    files.repair()
                if files.first is segment and not segment.path.exists():
                    return False  # it cannot be made again now
                continue
            end = chunk.rfind(b"\n")
            with self._lock:
                if files.first is not segment:
                    continue
                if end >= 0:
                    self._lines, self._reading = chunk[:end].split(b"\n"), segment
                    segment.read = len(self._lines)
                    return True
                if not ended:
                    return False
                if chunk:  # the process ended while it wrote this; its answer never left
                    keep_aside(files.folder, "torn", chunk)
                segment.path.unlink(missing_ok=True)
                files.drop(segment)


def _whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:])
