"""The files of an event log: the last one is written to, and what somebody removes is made good or
counted as lost.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import SpoolError
from .log_files import LOCK, Segment, is_file_at, lock_of, logs_in, write_all

SEGMENT = 8_000_000  # bytes after which a new file begins, so that shipped ones can go


class Segments:
    """The files of a folder that belongs to one process.

    `bytes` and `events` wait in them; `lost` went with files that somebody removed; `news` says
    what happened, for the service's log. Not safe for threads: the log holds its lock.
    """

    _file: int  # of the last segment, which is written to
    _links: int  # names that it has; fewer once it is removed

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be used, and SpoolError when another service has
        it.
        """
        self.folder, self.news, self.lost = folder, "", 0
        folder.mkdir(parents=True, exist_ok=True)
        self._owner = self._own()
        result = [(path, path.read_bytes()) for path in logs_in(folder)]
        self._segments = [
            Segment(path, len(content), content.count(b"\n")) for path, content in result
        ]
        self._begin(b"")
        self.bytes = sum(segment.bytes for segment in self._segments)
        self.events = sum(segment.events for segment in self._segments)

    @property
    def first(self) -> Segment:
        """The oldest, which is read."""
        return self._segments[0]

    @property
    def last(self) -> Segment:
        """The newest, which is written to."""
        return self._segments[-1]

    def append(self, line: bytes) -> None:
        """Write a line, also where the file was removed meanwhile.

        Raises OSError or SpoolError, no part left.
        """
        if self._segments[-1].bytes >= SEGMENT:
            full = self._file
            self._begin(b"")
            os.close(full)
        self._write(line)
        result = os.fstat(self._file)
        if result.st_nlink < self._links or result.st_size < self._segments[-1].bytes + len(line):
            again_if_gone(self._restore)
            self._write(line)
        self._segments[-1].bytes += len(line)
        self._segments[-1].events += 1
        self.bytes += len(line)
        self.events += 1

    def repair(self) -> None:
        """Make good what somebody removed.

        Raises OSError when nothing can be written in the folder.
        """
        last = self._segments[-1]
        if not is_file_at(self._file, last.path) or os.fstat(self._file).st_size < last.bytes:
            self._restore()
        elif not is_file_at(self._owner, self.folder / LOCK):
            self._own_again()
        for segment in self._segments[:-1]:
            if not segment.path.exists():
                self.drop(segment)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            self.folder.stat()  # it may just have gone
            raise PermissionError(f"no right to write in {self.folder}")

    def drop(self, segment: Segment) -> None:
        """Forget a file.

        The events that it held are lost, but for those that are read and will yet be shipped.
        """
        lost = segment.events - segment.read
        self._segments.remove(segment)
        self.lost += lost
        self.events -= lost
        self.bytes -= segment.bytes
        if lost:
            self.news += f"{lost:,} predictions are lost with {segment.path}; "

    def give_back(self) -> None:
        """Empty the last file once all of it is shipped, so that its disk can be used again."""
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
            return lock_of(self.folder)
        except BlockingIOError as error:
            raise SpoolError(
                f"a service already runs with {self.folder}. Stop it, or start a second "
                f"one apart from it: "
                "ML_EVENT_LOG_DIR=var/spool-2 ML_PORT=8010 ML_ADMIN_PORT=8011"
            ) from error

    def _own_again(self) -> None:
        before, self._owner = self._owner, self._own()
        os.close(before)

    def _begin(self, content: bytes) -> None:
        """Write to a new file from now on, which begins with some content."""
        numbers = [
            int(path.stem)
            for path in (*logs_in(self.folder), *(item.path for item in self._segments))
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
        """Go on in a new file with what the last one held, which somebody removed or cut while it
        was open.
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
            f"the event log in {self.folder} was removed while the service ran, and was made "
            f"again; "
        )


def again_if_gone(step: Callable[[], None]) -> None:
    """Do a step, and once more where its folder was removed while it was done."""
    try:
        step()
    except FileNotFoundError:
        step()
