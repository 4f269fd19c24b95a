"""The threads that keep the mode of a replica true: one reads files, the other the database.

Neither waits for the thread that ships records, and the stop has a connection of its own.
"""

import threading
from typing import TYPE_CHECKING

from ..records.errors import StoreUnavailableError
from ..records.mode import Mode
from .logs import log
from .mode_state import ModeState

if TYPE_CHECKING:
    from ..records.store import Store

MODE_SECONDS = 1.0  # between two reads of the database: a stop must reach every replica within 5
FILE_SECONDS = 0.5  # between two reads of files


class ModeFollower:
    """Brings switches of this replica into the database, and the mode from there into `state`."""

    def __init__(self, state: ModeState, url: str) -> None:
        self.state, self.url = state, url
        self.store: Store | None = None

    def run_files(self, stop: threading.Event) -> None:
        while not stop.wait(FILE_SECONDS):
            try:
                self.state.read_files()
            except Exception:  # the stop must not end with one surprise
                log.exception("reading the mode from files failed")

    def run_database(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self.read_database():
                self.state.wake.wait(MODE_SECONDS)
                self.state.wake.clear()

    def read_database(self) -> bool:
        """Store what waits, then read the mode.

        False when a switch came in between: then do it again.
        """
        generation, switches = self.state.waiting()
        try:
            store = self.store = self.store or _open(self.url)
            stored = [switch for switch in switches if self._stored(store, switch)]
            known = store.mode()
        except (
            Exception
        ) as error:  # whatever it is, this thread must live: it is the way of the stop
            self.state.failed(str(error) or type(error).__name__)
            return True
        return self.state.follow(known, generation, stored)

    def _stored(self, store: "Store", switch: Mode) -> bool:
        """Write a switch of this replica.

        One that no database takes goes on to hold here, and holds nothing up.
        """
        try:
            holds = store.add_late_switch(switch, self.state.first)
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception("a switch made here cannot be stored, and holds in this replica alone")
            return False
        facts = {"mode": switch.mode, "who": switch.who, "why": switch.why, "holds": holds.mode}
        log.info("a switch made here is in the database", extra={"facts": facts})
        return True

    def step_up(self, mode: str, who: str, why: str, request: str = "") -> Mode:
        """Switch for everyone, in the database first. Raises StoreUnavailableError."""
        store = self.store = self.store or _open(self.url)
        new = store.set_mode(mode, who, why, request=request)
        self.state.switched(new)
        return new


def _open(url: str) -> "Store":
    from ..records.store import Store  # 0.6 s of imports, which the first answers need not wait for

    return Store(url)
