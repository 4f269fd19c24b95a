"""The files of an event log.

The log writes to the last file. It restores a removed file, or counts its events as lost.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import EventLogError
from .log_files import LOCK, Segment, is_file_at, lock_folder, log_paths, write_all

# Bytes after which a new file begins, so that shipped files can be removed.
SEGMENT = 8_000_000


class Segments:
    """The files of a folder that belongs to one process.

    `bytes` and `events` count what waits in them, `lost` the events of files that somebody
    removed. `news` has messages for the service's log. Not thread-safe: the caller holds the lock
    of the log.
    """

    # the file descriptor of the last segment, which the log writes to
    _file: int
    # the number of its hard links, which falls if somebody removes it
    _links: int

    def __init__(self, folder: Path) -> None:
        """Open the folder.

        Raises OSError if it cannot be used, and EventLogError if another service uses it.
        """
        self.folder, self.news, self.lost = folder, "", 0
        folder.mkdir(parents=True, exist_ok=True)
        self._owner = self._own()
        result = [(path, path.read_bytes()) for path in log_paths(folder)]
        self._segments = [
            Segment(path, len(content), content.count(b"\n")) for path, content in result
        ]
        self._begin(b"")
        self.bytes = sum(segment.bytes for segment in self._segments)
        self.events = sum(segment.events for segment in self._segments)

    @property
    def first(self) -> Segment:
        """The oldest segment, which the reader reads."""
        return self._segments[0]

    @property
    def last(self) -> Segment:
        """The newest segment, which the log writes to."""
        return self._segments[-1]

    def append(self, line: bytes) -> None:
        """Write a line, even if somebody removed the file in the meantime.

        Raises OSError or EventLogError if the line cannot be written. No part of it remains.
        """
        if self._segments[-1].bytes >= SEGMENT:
            full = self._file
            self._begin(b"")
            os.close(full)
        self._write(line)
        result = os.fstat(self._file)
        if result.st_nlink < self._links or result.st_size < self._segments[-1].bytes + len(line):
            retry_if_missing(self._restore)
            self._write(line)
        self._segments[-1].bytes += len(line)
        self._segments[-1].events += 1
        self.bytes += len(line)
        self.events += 1

    def repair(self) -> None:
        """Restore what somebody removed. Raises OSError if the folder cannot be written."""
        last = self._segments[-1]
        if not is_file_at(self._file, last.path) or os.fstat(self._file).st_size < last.bytes:
            self._restore()
        elif not is_file_at(self._owner, self.folder / LOCK):
            self._own_again()
        for segment in self._segments[:-1]:
            if not segment.path.exists():
                self.drop(segment)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            # Raises FileNotFoundError if the folder was removed just now.
            self.folder.stat()
            raise PermissionError(f"no permission to write in {self.folder}")

    def drop(self, segment: Segment) -> None:
        """Drop a file from the list.

        Its events count as lost, except those that are read and still to be shipped.
        """
        lost = segment.events - segment.read
        self._segments.remove(segment)
        self.lost += lost
        self.events -= lost
        self.bytes -= segment.bytes
        if lost:
            self.news += f"{lost:,} predictions are lost with {segment.path}; "

    def truncate_if_shipped(self) -> None:
        """Truncate the last file once all of it is shipped, to free its disk space."""
        last = self._segments[-1]
        if self._segments[0] is last and last.offset == last.bytes:
            os.ftruncate(self._file, 0)
            self.bytes -= last.bytes
            last.bytes = last.offset = 0

    def close(self) -> None:
        os.close(self._file)
        os.close(self._owner)

    def _own(self) -> int:
        try:
            return lock_folder(self.folder)
        except BlockingIOError as error:
            raise EventLogError(
                f"a service already runs with {self.folder}. Stop it, or start the second service "
                "with its own folder and ports: "
                "ML_EVENT_LOG_DIR=var/spool-2 ML_PORT=8010 ML_ADMIN_PORT=8011"
            ) from error

    def _own_again(self) -> None:
        before, self._owner = self._owner, self._own()
        os.close(before)

    def _begin(self, content: bytes) -> None:
        """Start a new file with this content. Later lines are written there."""
        numbers = [
            int(path.stem)
            for path in (*log_paths(self.folder), *(item.path for item in self._segments))
        ]
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

    def _restore(self) -> None:
        """Continue in a new file with the content of the last one.

        Somebody removed or truncated the last file while it was open.
        """
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
            self.drop(last)
        self.news += (
            f"the event log in {self.folder} was removed while the service ran; the service "
            "created it again; "
        )


def retry_if_missing(step: Callable[[], None]) -> None:
    """Run a step, and run it once more if its folder was removed in the meantime."""
    try:
        step()
    except FileNotFoundError:
        step()
