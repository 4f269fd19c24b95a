"""The one thread that ships what was answered to the database, and counts what came of it."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..records.errors import EventsRefused, StoreAway
from ..records.spool import Spool
from .log import log
from .metrics import Metrics
from .problems import Problem

if TYPE_CHECKING:
    from ..records.store import Store

SHIP_SECONDS = 0.2
TURN_SECONDS = 1.0  # of shipping, until outcomes are counted in between
COUNT_SECONDS = 2.0  # between two looks at what came of predictions
LEAVE_SECONDS = 5.0  # to ship what is left when the service ends
LONGEST_PAUSE = 2.0  # between two looks at a database that is away


class Keeper:
    """Ships what the event log holds. It never holds up the mode, which has threads of its own (mode_follower.py)."""

    def __init__(
        self,
        url: str,
        spool: Spool,
        metrics: Metrics,
        count: Callable[["Store"], None] = lambda store: None,
    ) -> None:
        """`count` looks at what came of predictions."""
        self.url, self.spool, self.metrics, self.count = url, spool, metrics, count
        self.store: Store | None = None
        self.looked = False  # at the database, with whatever result
        self._said, self._lost = "", 0
        self._counted_at = 0.0
        metrics.pending.set_function(lambda: spool.events)
        metrics.pending_bytes.set_function(lambda: spool.bytes)
        metrics.pending_limit.set(spool.limit)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop, and then until all is shipped or LEAVE_SECONDS are over."""
        if sys.platform == "linux":  # answers first: on a busy core shipping takes what they leave
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        pause = SHIP_SECONDS
        while not stop.wait(pause):
            pause = SHIP_SECONDS if self._turn() else min(pause * 2, LONGEST_PAUSE)
        until = time.monotonic() + LEAVE_SECONDS
        while self.spool.events and time.monotonic() < until:
            if not self._turn():
                time.sleep(SHIP_SECONDS)
        if self.spool.events:
            log.warning(f"{self.spool.events} answers stay in {self.spool.folder} until a service starts there again")

    def required(self) -> "Store":
        """The database. Raises Problem while there is none."""
        if self.store is None:
            raise away(self._said or "it was not asked yet")
        return self.store

    def _turn(self) -> bool:
        """Ship for a while; False when the database did not answer."""
        try:
            self.store = self.store or _open(self.url)
            until = time.monotonic() + TURN_SECONDS
            while time.monotonic() < until and (events := self.spool.read()):
                for event in self._ship(self.store, events):  # only now, since shipping is tried until it ends
                    self.spool.refuse(event)
                self.spool.shipped()
            self._count(self.store)
        except Exception as error:  # whatever it is, this thread must live: it is the only one that ships
            self._away(error)
            return False
        finally:
            self.looked = True
            self.metrics.lost.inc(self.spool.lost - self._lost)
            self._lost = self.spool.lost
        if self._said:
            log.warning("the database of records answers again")
        self._said = ""
        self.metrics.store_up.set(1)
        return True

    def _ship(self, store: "Store", events: list[bytes]) -> list[bytes]:
        """Gives what the database will never take. It is found by halving: it must not stop the rest."""
        try:
            predictions = sum(event.count(b'"unit":') for event in events)  # one each; within a text it has backslashes
            self.metrics.repeated.add(amount=predictions - store.ship(events))
        except EventsRefused as error:
            if len(events) == 1:
                log.error(f"an answer cannot be stored and is kept in {self.spool.folder}/refused.kept: {error}")
                return events
            middle = len(events) // 2
            return self._ship(store, events[:middle]) + self._ship(store, events[middle:])
        return []

    def _count(self, store: "Store") -> None:
        if time.monotonic() - self._counted_at < COUNT_SECONDS:
            return
        try:
            self.count(store)
        except StoreAway:
            raise
        except Exception:  # a figure that is wrong must not keep an answer from the database
            log.exception("what came of predictions cannot be counted")
        self._counted_at = time.monotonic()

    def _away(self, error: Exception) -> None:
        self.metrics.store_up.set(0)
        if str(error) != self._said:
            what = f"the database of records does not answer: {error}; answers wait in {self.spool.folder}"
            log.error(what, exc_info=None if isinstance(error, StoreAway) else error)
        self._said = str(error)


def away(why: str) -> Problem:
    return Problem(503, f"the database of records does not answer: {why}", retry_after=2, shed="database")


def _open(url: str) -> "Store":
    from ..records.store import Store  # 0.6 s of imports, which the first answers need not wait for

    return Store(url)
