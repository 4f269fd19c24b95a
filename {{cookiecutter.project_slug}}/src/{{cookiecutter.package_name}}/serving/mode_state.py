"""The mode that holds in this replica, and what it remembers of it in its folder."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ..records.mode import Mode
from .log import log
from .metrics import Metrics

if TYPE_CHECKING:
    from ..records.store import Store

MODES = ("shadow", "assist", "automate")
SAFEST = "shadow"


class ModeState:
    """`mode` is what holds here. Until the database was read it is what held last in this folder, else shadow: a
    replica that starts while the database is away must not undo a stop."""

    def __init__(self, folder: Path, first_mode: str, metrics: Metrics) -> None:
        """`first_mode` holds when the database knows none."""
        self.first_mode, self.metrics = first_mode, metrics
        self._kept = folder / "mode"
        self._switching = threading.Lock()
        self.mode = self._remembered()
        metrics.mode.labels(self.mode).set(1)

    def _remembered(self) -> str:
        try:
            found = self._kept.read_text()
        except (OSError, ValueError):
            return SAFEST
        return found if found in MODES else SAFEST

    def switch(self, store: "Store", mode: str, who: str, why: str) -> Mode:
        """Switch the mode for everyone, and here at once. Raises StoreAway."""
        with self._switching:  # what was read before must not be applied after
            new = store.set_mode(mode, who, why)
            self._apply(new)
        return new

    def follow(self, store: "Store") -> None:
        """Take the mode that the database knows. Raises StoreAway."""
        with self._switching:
            self._apply(store.mode() or Mode(self.first_mode, "settings", "ML_MODE"))

    def _apply(self, now: Mode) -> None:
        mode, before = now.mode, self.mode
        if mode == before and self._kept.exists():
            return
        self.mode = mode
        self.metrics.mode.clear()
        self.metrics.mode.labels(mode).set(1)
        try:
            draft = self._kept.with_name("mode.draft")
            draft.write_text(mode)
            draft.replace(self._kept)
        except OSError as error:  # a full disk; the database still knows
            log.warning(f"the mode cannot be remembered in {self._kept}: {error}")
        log.info("mode", extra={"facts": {"mode": mode, "before": before, "who": now.who, "why": now.why}})
