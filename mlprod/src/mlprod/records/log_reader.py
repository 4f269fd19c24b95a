"""The reader of the event log: oldest events first, each until it is shipped or quarantined."""

import contextlib
import threading
import zlib

from .errors import EventLogError
from .log_files import Segment, quarantine_line
from .log_segments import Segments

# Bytes of one read: short transactions, so that outcomes do not wait for them.
BATCH = 250_000


class LogReader:
    """Reads events for one thread while others append; `lock` is the log's."""

    def __init__(self, files: Segments, lock: threading.Lock) -> None:
        self._files, self._lock = files, lock
        # lines that are read and not shipped, and the segment that they come from
        self._lines: list[bytes] = []
        self._reading: Segment | None = None
        # of the lines of the last `read`: their number, and the damaged ones
        self._count, self._damaged = 0, list[bytes]()

    def read(self, most: int | None = None) -> list[bytes]:
        """Return the next events, oldest first, at most `most`; empty if none is left.

        Returns the same events again until `acknowledge` is called.
        """
        while self._lines or self._fetch():
            lines = self._lines[:most]
            self._count, self._damaged = len(lines), [line for line in lines if not _whole(line)]
            if events := [line[9:] for line in lines if _whole(line)]:
                return events
            self.acknowledge()
        return []

    def acknowledge(self) -> None:
        """Drop the lines of the last `read`, and quarantine the damaged ones."""
        # Not in `read`, which may be repeated.
        for line in self._damaged:
            quarantine_line(self._files.folder, "damaged", line + b"\n")
        with self._lock:
            files, segment = self._files, self._reading
            shipped, self._lines = self._lines[: self._count], self._lines[self._count :]
            files.lost += len(self._damaged)
            files.events -= len(shipped)
            # If the first segment is another one, the file was removed in the meantime.
            if segment and segment is files.first:
                segment.offset += sum(map(len, shipped)) + len(shipped)
                segment.events -= len(shipped)
                segment.read -= len(shipped)
            self._count, self._damaged = 0, []
            files.truncate_if_shipped()

    def _fetch(self) -> bool:
        """Read the next lines and hold them until they are shipped; False if none is left."""
        files = self._files
        while True:
            # Before the read, check whether another segment follows: an event that is written
            # after the read must not be removed with the file.
            with self._lock:
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
                with self._lock, contextlib.suppress(OSError, EventLogError):
                    files.repair()
                if files.first is segment and not segment.path.exists():
                    # It cannot be restored now.
                    return False
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
                if chunk:
                    # The process ended during this write, so the response never left.
                    quarantine_line(files.folder, "torn", chunk)
                segment.path.unlink(missing_ok=True)
                files.drop(segment)


def _whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:])
