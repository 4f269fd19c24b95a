"""Ships the event log of the service to its database, and counts outcomes there."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..records.errors import StoreUnavailableError, TablesMissingError
from ..records.event_log import EventLog
from .logs import log
from .metrics import Metrics
from .problems import ProblemError
from .shipper import Shipper

if TYPE_CHECKING:
    from ..records.store import Store

SHIP_SECONDS = 0.2
TURN_SECONDS = 1.0  # of shipping, until the thread checks whether the service ends
COUNT_SECONDS = 2.0  # between two counts of outcomes
CHECK_SECONDS = 2.0  # between two checks of the database while nothing is shipped
DRAIN_SECONDS = 5.0  # to ship the rest when the service ends
FOLLOWER_SECONDS = 10.0  # for the follower to create the tables of an embedded database
MAX_PAUSE = 2.0  # between two tries while the database is unavailable


class RecordShipper:
    """Ships and counts on two threads, so that neither waits for the other.

    Neither delays the mode, which has threads of its own (mode_follower.py).
    """

    def __init__(
        self,
        url: str,
        spool: EventLog,
        metrics: Metrics,
        count: Callable[["Store"], None] = lambda store: None,
    ) -> None:
        """`count` counts new outcomes in the database."""
        self.url, self.spool, self.metrics, self.count = url, spool, metrics, count
        self.store: Store | None = None
        self.checked = False  # whether the database was tried, successfully or not
        self.shipper = Shipper(spool, metrics)
        self._failed, self._count_failed, self._lost, self._answered_at = "", "", 0, 0.0
        embedded = url.startswith("sqlite")
        self._tables_due = time.monotonic() + (FOLLOWER_SECONDS if embedded else 0.0)
        metrics.pending.set_function(lambda: spool.events)
        metrics.pending_bytes.set_function(lambda: spool.bytes)
        metrics.pending_limit.set(spool.limit)

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set, and then until all is shipped or DRAIN_SECONDS are over."""
        counting = threading.Thread(
            target=self._run_count, args=(stop,), daemon=True, name="count-outcomes"
        )
        counting.start()
        _yield_to_answers()
        pause = SHIP_SECONDS
        while not stop.wait(pause):
            pause = SHIP_SECONDS if self._turn() else min(pause * 2, MAX_PAUSE)
        until = time.monotonic() + DRAIN_SECONDS
        while self.spool.events and time.monotonic() < until:
            if not self._turn():
                time.sleep(SHIP_SECONDS)
        if self.spool.events:
            log.warning(
                f"{self.spool.events} answers remain in {self.spool.folder} until a service "
                f"starts with this folder again"
            )
        counting.join(DRAIN_SECONDS)

    def get_or_503(self) -> "Store":
        """Return the database. Raises ProblemError while it is not available."""
        if self.store is None:
            raise store_unavailable(self._failed or "it was not tried yet")
        return self.store

    def _turn(self) -> bool:
        """Ship for TURN_SECONDS; return False if the database did not respond.

        A small rest is left to the next turn, because many small transactions take the processor
        from requests.
        """
        until = time.monotonic() + TURN_SECONDS
        try:
            self.store = self.store or _open(self.url)
            while self.shipper.step(self.store):
                self._answered_at = time.monotonic()
                if self._answered_at > until or not self.shipper.behind:
                    break
            if time.monotonic() - self._answered_at > CHECK_SECONDS:
                self.store.check()
                self._answered_at = time.monotonic()
        except Exception as error:
            # this thread must live, because no other one ships
            self._note_failure(error)
            return False
        finally:
            self.checked = True
            self.metrics.lost.inc(self.spool.lost - self._lost)
            self._lost = self.spool.lost
        if self._failed:
            log.warning("the database of records is available again")
        self._failed = ""
        self.metrics.store_up.set(1)
        return True

    def _note_failure(self, error: Exception) -> None:
        self.metrics.store_up.set(0)
        self._answered_at = 0.0
        if isinstance(error, TablesMissingError) and time.monotonic() < self._tables_due:
            return
        if str(error) != self._failed:
            message = (
                f"the database of records does not answer: {error}; answers wait in "
                f"{self.spool.folder}"
            )
            log.error(message, exc_info=None if isinstance(error, StoreUnavailableError) else error)
        self._failed = str(error)

    def _run_count(self, stop: threading.Event) -> None:
        """Count every COUNT_SECONDS. A failed count is repeated; the store stays available."""
        _yield_to_answers()
        while not stop.wait(COUNT_SECONDS):
            if self.store is None:
                continue
            try:
                self.count(self.store)
            except Exception as error:
                if str(error) != self._count_failed:
                    message = f"outcomes cannot be counted now: {error}; the service tries again"
                    log.warning(
                        message,
                        exc_info=None if isinstance(error, StoreUnavailableError) else error,
                    )
                self._count_failed = str(error)
            else:
                self._count_failed = ""


def store_unavailable(cause: str) -> ProblemError:
    """Return the problem of a request that needs the database while it is not available."""
    return ProblemError(
        503,
        f"the database of records does not answer: {cause}; try again",
        retry_after=2,
        shed="database",
    )


def _yield_to_answers() -> None:
    """Lower the priority of this thread, so that requests get a busy core first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _open(url: str) -> "Store":
    # imported here, because it takes 0.6 s and the first answers need not wait for it
    from ..records.store import Store

    return Store(url)
