"""Between the service and its database: ships what was answered, and counts what came of it."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..records.errors import StoreUnavailableError
from ..records.event_log import EventLog
from .logs import log
from .metrics import Metrics
from .problems import ProblemError
from .shipper import Shipper

if TYPE_CHECKING:
    from ..records.store import Store

SHIP_SECONDS = 0.2
TURN_SECONDS = 1.0  # of shipping, until a stop of the service is looked for
COUNT_SECONDS = 2.0  # between two looks at what came of predictions
CHECK_SECONDS = 2.0  # between two looks at a database that nothing is to be written to
LEAVE_SECONDS = 5.0  # to ship what is left when the service ends
LONGEST_PAUSE = 2.0  # between two looks at a database that is away


class RecordShipper:
    """A thread ships and another one counts, so that neither waits for the other.

    Neither holds up the mode, which has threads of its own (mode_follower.py).
    """

    def __init__(
        self,
        url: str,
        spool: EventLog,
        metrics: Metrics,
        count: Callable[["Store"], None] = lambda store: None,
    ) -> None:
        """`count` looks at what came of predictions."""
        self.url, self.spool, self.metrics, self.count = url, spool, metrics, count
        self.store: Store | None = None
        self.looked = False  # at the database, with whatever result
        self.shipper = Shipper(spool, metrics)
        self._failed, self._count_failed, self._lost, self._answered_at = "", "", 0, 0.0
        metrics.pending.set_function(lambda: spool.events)
        metrics.pending_bytes.set_function(lambda: spool.bytes)
        metrics.pending_limit.set(spool.limit)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop, and then until all is shipped or LEAVE_SECONDS are over."""
        counting = threading.Thread(
            target=self._run_count, args=(stop,), daemon=True, name="count-outcomes"
        )
        counting.start()
        _yield_to_answers()
        pause = SHIP_SECONDS
        while not stop.wait(pause):
            pause = SHIP_SECONDS if self._turn() else min(pause * 2, LONGEST_PAUSE)
        until = time.monotonic() + LEAVE_SECONDS
        while self.spool.events and time.monotonic() < until:
            if not self._turn():
                time.sleep(SHIP_SECONDS)
        if self.spool.events:
            log.warning(
                f"{self.spool.events} answers stay in {self.spool.folder} until a service "
                f"starts there again"
            )
        counting.join(LEAVE_SECONDS)

    def required(self) -> "Store":
        """The database. Raises ProblemError while there is none."""
        if self.store is None:
            raise away(self._failed or "it was not asked yet")
        return self.store

    def _turn(self) -> bool:
        """Ship for a while, and leave a small rest to the next turn: many small transactions take
        the processor from answers. False when the database did not answer.
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
        except (
            Exception
        ) as error:  # whatever it is, this thread must live: it is the only one that ships
            self._away(error)
            return False
        finally:
            self.looked = True
            self.metrics.lost.inc(self.spool.lost - self._lost)
            self._lost = self.spool.lost
        if self._failed:
            log.warning("the database of records answers again")
        self._failed = ""
        self.metrics.store_up.set(1)
        return True

    def _away(self, error: Exception) -> None:
        self.metrics.store_up.set(0)
        self._answered_at = 0.0
        if str(error) != self._failed:
            what = (
                f"the database of records does not answer: {error}; answers wait in "
                f"{self.spool.folder}"
            )
            log.error(what, exc_info=None if isinstance(error, StoreUnavailableError) else error)
        self._failed = str(error)

    def _run_count(self, stop: threading.Event) -> None:
        """What cannot be counted now is counted later; the database may be up all the same."""
        _yield_to_answers()
        while not stop.wait(COUNT_SECONDS):
            if self.store is None:
                continue
            try:
                self.count(self.store)
            except Exception as error:
                if str(error) != self._count_failed:
                    what = f"what came of predictions cannot be counted now: {error}"
                    log.warning(
                        what, exc_info=None if isinstance(error, StoreUnavailableError) else error
                    )
                self._count_failed = str(error)
            else:
                self._count_failed = ""


def away(why: str) -> ProblemError:
    return ProblemError(
        503, f"the database of records does not answer: {why}", retry_after=2, shed="database"
    )


def _yield_to_answers() -> None:
    """On a busy core this thread takes what answers leave."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _open(url: str) -> "Store":
    from ..records.store import Store  # 0.6 s of imports, which the first answers need not wait for

    return Store(url)
