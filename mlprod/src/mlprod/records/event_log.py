"""The event log: files on this machine that hold predictions until the database has them.

The service appends a prediction before the response leaves. An event survives the end of the
process, kill -9 included, once `append` has returned: the kernel has it. It does not survive the
loss of the machine; docs/records.md lists what each loss costs.

If somebody removes the folder of a running service, the log moves the content of the last file to
a new one. It counts the events of older files as lost.
"""

import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from .errors import EventLogError
from .log_files import probe_write, quarantine_line
from .log_reader import LogReader
from .log_segments import Segments, retry_if_missing

# a line of JSON
Event = bytes
# The log counts as writable again this long after the last refused event …
HOLD_SECONDS = 5.0
# … and below this share of its limit.
WRITABLE_SHARE = 0.9


@dataclass(frozen=True)
class Refusal:
    """Why an event of `length` bytes could not be written, and when (monotonic seconds)."""

    reason: str
    length: int
    at: float


class EventLog:
    """Files of lines `crc32 event`, oldest first, in a folder that belongs to one process.

    Any thread may `append` and `check`. One thread calls `read`, then `acknowledge`. `bytes` and
    `events` count what waits for the database, `lost` the events that it will never have.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """Open the log in `folder`; `limit`: bytes of all files.

        Raises EventLogError if the folder cannot be used or if another service uses it.
        """
        self.folder, self.limit, self._lock = folder, limit, threading.Lock()
        self._refusal: Refusal | None = None
        self._closed = False
        try:
            self._files = Segments(folder)
        except OSError as error:
            raise EventLogError(f"the event log cannot use the folder {folder}: {error}") from error
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
    def refusal_reason(self) -> str:
        """Why predictions are refused; empty while the log is writable."""
        refusal = self._refusal
        return refusal.reason if refusal else ""

    def append(self, event: Event) -> None:
        """Write one event, a line of JSON.

        Raises EventLogError if the log is full or cannot be written. No part of the event remains.
        """
        line, files = b"%08x %s\n" % (zlib.crc32(event), event), self._files
        with self._lock:
            if files.bytes + len(line) > self.limit:
                reason = f"{files.bytes:,} bytes wait for the database; the limit is {self.limit:,}"
                raise self._refused(reason, len(line))
            try:
                files.append(line)
            except (OSError, EventLogError) as error:
                raise self._refused(
                    f"the event log cannot be written: {error}", len(line)
                ) from error

    def check(self) -> str:
        """Check that the files still exist and can be written; return a message for the log.

        The last `append` may have been long ago. The message is empty if nothing happened.
        """
        with self._lock:
            if self._closed:
                return ""
            try:
                retry_if_missing(self._check_files)
            except (OSError, EventLogError) as error:
                self._refused(f"the event log cannot be written: {error}", 0)
            news, self._files.news = self._files.news, ""
        return news.removesuffix("; ")

    def read(self, most: int | None = None) -> list[Event]:
        """Return the next events, oldest first, at most `most`; empty if none is left.

        Returns the same events again until `acknowledge` is called.
        """
        return self._reader.read(most)

    def acknowledge(self) -> None:
        """Drop the events of the last `read`: the database has them, or they are quarantined."""
        self._reader.acknowledge()

    def quarantine(self, event: Event) -> None:
        """Move an event that the database will never accept to `refused.kept`."""
        quarantine_line(self.folder, "refused", event + b"\n")
        with self._lock:
            self._files.lost += 1

    def close(self) -> None:
        """Release the folder. The next process ships the events that remain."""
        with self._lock:
            self._closed = True
            self._files.close()

    def _check_files(self) -> None:
        """Restore removed files, and test whether the last refused event would fit now."""
        files, refusal = self._files, self._refusal
        files.repair()
        if not refusal or time.monotonic() < refusal.at + HOLD_SECONDS:
            return
        if (
            files.bytes <= WRITABLE_SHARE * self.limit
            and files.bytes + refusal.length <= self.limit
        ):
            probe_write(self.folder / "probe", refusal.length)
            self._refusal = None
            files.news += f"the event log in {self.folder} can be written again; "

    def _refused(self, reason: str, length: int) -> EventLogError:
        if not self._refusal:
            self._files.news += f"predictions are refused: {reason}; "
        self._refusal = Refusal(reason, length, time.monotonic())
        return EventLogError(reason)
