"""Threads that keep the mode of a replica current: one reads files, the other the database.

Neither waits for the thread that ships records. The kill switch has a database connection of its
own.
"""

import threading
from typing import TYPE_CHECKING

from ..records.errors import StoreUnavailableError
from ..records.mode import ModeSwitch
from .logs import log
from .mode_state import ModeState

if TYPE_CHECKING:
    from ..records.store import Store

# Between two reads of the database. The kill switch must reach every replica within 5 seconds.
MODE_SECONDS = 1.0
FILE_SECONDS = 0.5  # between two reads of files


class ModeFollower:
    """Writes switches of this replica to the database, and reads the mode into `state`."""

    def __init__(self, state: ModeState, url: str) -> None:
        self.state, self.url = state, url
        self.store: Store | None = None

    def run_files(self, stop: threading.Event) -> None:
        while not stop.wait(FILE_SECONDS):
            try:
                self.state.read_files()
            except Exception:
                # the kill switch must survive an unexpected error
                log.exception("reading the mode from files failed")

    def run_database(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self.read_database():
                self.state.wake.wait(MODE_SECONDS)
                self.state.wake.clear()

    def read_database(self) -> bool:
        """Store the waiting switches, then read the mode.

        Return False if this replica was switched meanwhile: then read again.
        """
        generation, switches = self.state.waiting()
        try:
            store = self.store = self.store or _open(self.url)
            stored = [switch for switch in switches if self._stored(store, switch)]
            known = store.mode()
        except Exception as error:
            # this thread must live, because it carries the kill switch
            self.state.failed(str(error) or type(error).__name__)
            return True
        return self.state.follow(known, generation, stored)

    def _stored(self, store: "Store", switch: ModeSwitch) -> bool:
        """Write a switch of this replica to the database.

        A switch that the database refuses stays active in this replica, and blocks no other one.
        """
        try:
            holds = store.add_late_switch(switch, self.state.default)
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception(
                "a mode switch of this replica cannot be stored; it is active in this replica only"
            )
            return False
        facts = {"mode": switch.mode, "who": switch.who, "why": switch.why, "holds": holds.mode}
        log.info("a mode switch of this replica is in the database", extra={"facts": facts})
        return True

    def step_up(self, mode: str, who: str, why: str, request: str = "") -> ModeSwitch:
        """Switch every replica, first in the database.

        Raises StoreUnavailableError if the database is not available.
        """
        store = self.store = self.store or _open(self.url)
        new = store.set_mode(mode, who, why, request=request)
        self.state.switched(new)
        return new


def _open(url: str) -> "Store":
    # imported here, because it takes 0.6 s and the first answers need not wait for it
    from ..records.store import Store

    return Store(url)
