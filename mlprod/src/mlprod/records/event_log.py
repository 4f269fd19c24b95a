"""The event log: what was answered lies in a file of this machine before the answer leaves, until
the database has it.

What `append` has returned from survives the end of the process, kill -9 included: the kernel holds
it. It does not survive the loss of the machine; docs/records.md says what each loss costs. When the
folder is removed under a running service, what waited in the last file goes on in a new one, and
what older files held is counted as lost.
"""

import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from .errors import SpoolError
from .log_files import keep_aside, try_to_write
from .log_reader import LogReader
from .log_segments import Segments, again_if_gone

Event = bytes  # a line of JSON
HOLD_SECONDS = 5.0  # from the last event that was refused until the log counts as writable again
ROOM = 0.9  # share of the limit below which it does


@dataclass(frozen=True)
class Refusal:
    """Why an event of a length could not be written, and when."""

    reason: str
    length: int
    at: float


class EventLog:
    """Files of lines `crc32 event`, oldest first, in a folder that belongs to one process.

    Any thread may `append` and `check`; one reads: `read`, then `shipped`. `bytes` and `events`
    wait, `lost` no database will hold.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes of all files.

        Raises SpoolError when the folder cannot be used or another service has it.
        """
        self.folder, self.limit, self._lock = folder, limit, threading.Lock()
        self._refusal: Refusal | None = None
        self._closed = False
        try:
            self._files = Segments(folder)
        except OSError as error:
            raise SpoolError(f"the event log cannot be kept in {folder}: {error}") from error
        self._reader = LogReader(self._files, self._lock)

    @property
    def bytes(self) -> int:
        return self._files.bytes

    @property
    def events(self) -> int:
        return self._files.events

    @property
    def lost(self) -> int:
        return self._files.lost

    @property
    def refuses(self) -> str:
        """Why predictions are refused; empty while they can be written down."""
        refusal = self._refusal
        return refusal.reason if refusal else ""

    def append(self, event: Event) -> None:
        """Write one event, a line of JSON.

        Raises SpoolError, and leaves no part of it, when there is no room.
        """
        line, files = b"%08x %s\n" % (zlib.crc32(event), event), self._files
        with self._lock:
            if files.bytes + len(line) > self.limit:
                reason = f"{files.bytes:,} bytes wait for the database; the limit is {self.limit:,}"
                raise self._refused(reason, len(line))
            try:
                files.append(line)
            except (OSError, SpoolError) as error:
                raise self._refused(
                    f"the event log cannot be written: {error}", len(line)
                ) from error

    def check(self) -> str:
        """Look whether the log is still in its place and can be written, which `append` may not
        have tried for long. Gives what is worth a line of the service's log.
        """
        with self._lock:
            if self._closed:
                return ""
            try:
                again_if_gone(self._look)
            except (OSError, SpoolError) as error:
                self._refused(f"the event log cannot be written: {error}", 0)
            news, self._files.news = self._files.news, ""
        return news.removesuffix("; ")

    def read(self, most: int | None = None) -> list[Event]:
        """The next events, oldest first, not more than `most`; the same again until `shipped`.

        Empty: all are shipped.
        """
        return self._reader.read(most)

    def shipped(self) -> None:
        """What `read` gave is in the database, or kept aside."""
        self._reader.shipped()

    def refuse(self, event: Event) -> None:
        """Keep aside an event that the database will never take."""
        keep_aside(self.folder, "refused", event + b"\n")
        with self._lock:
            self._files.lost += 1

    def close(self) -> None:
        """Let go of the folder. What is not shipped stays for the next process."""
        with self._lock:
            self._closed = True
            self._files.close()

    def _look(self) -> None:
        """Make good what somebody removed, and try whether an event could be written that was
        refused.
        """
        files, refusal = self._files, self._refusal
        files.repair()
        if not refusal or time.monotonic() < refusal.at + HOLD_SECONDS:
            return
        if files.bytes <= ROOM * self.limit and files.bytes + refusal.length <= self.limit:
            try_to_write(self.folder / "probe", refusal.length)
            self._refusal = None
            files.news += f"the event log in {self.folder} can be written again; "

    def _refused(self, reason: str, length: int) -> SpoolError:
        if not self._refusal:
            self._files.news += f"predictions are refused: {reason}; "
        self._refusal = Refusal(reason, length, time.monotonic())
        return SpoolError(reason)
