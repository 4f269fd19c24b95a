"""The mode that holds in this replica: the strictest of what the database, a file and switches made
here say.
"""

import threading
from pathlib import Path
from typing import Literal

from ..modes import SAFEST
from ..records.mode import Mode, new_switch, rank
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder, read_mode_file
from .logs import log
from .metrics import Metrics

Source = Literal["database", "memory", "settings", "file", "replica", "unknown"]


class ModeState:
    """`mode` is read by every request.

    `source` names what says so: the `database`; `memory`, what it said before this process;
    `settings`, where nobody ever switched; the `file`; the `replica`, for a switch that was made
    here and is not in the database. What is `unknown` is shadow: a replica that starts without its
    database must not undo a stop.
    """

    mode: str
    source: Source

    def __init__(
        self,
        memory: ModeMemory,
        switches: SwitchFolder,
        file: Path | None,
        first_mode: str,
        metrics: Metrics,
    ) -> None:
        """`first_mode` holds when the database knows none; `file` may be absent."""
        self.first = Mode(first_mode, "settings", "ML_MODE")
        self.memory, self.switches, self.file, self.metrics = memory, switches, file, metrics
        self.away, self.reads, self.generation = "it was not asked yet", 0, 0
        self.changed, self.wake = threading.Condition(), threading.Event()
        known, unsaved = memory.read()
        self._known = known or Mode(SAFEST, "nobody", "the database was not read yet")
        self._known_from: Source = "memory" if known else "unknown"
        self._unsaved = {item.mode: item for item in unsaved}  # one for each mode, the newest
        self._remembered: tuple[Mode | None, list[Mode]] | None = (
            None  # so that the file takes its room at the start
        )
        self.forgotten = ""  # why this folder does not remember the mode
        self._file_error = ""
        self._folder: dict[Path, Mode] = {}
        self._saved: set[Path] = (
            set()
        )  # files of the folder that the database holds, removed or not
        self._file_mode: Mode | None = None
        self.mode, self.source = SAFEST, "unknown"
        metrics.mode.labels(self.mode).set(1)
        self.read_files()

    @property
    def looked(self) -> bool:
        """Whether the database was asked, with whatever result."""
        return self.reads > 0

    @property
    def unsaved(self) -> bool:
        """Whether a switch of this machine is not in the database."""
        return bool(self._unsaved or self._folder)

    def read_files(self) -> None:
        """Take what the mode file and the folder of this machine say now."""
        content = read_mode_file(self.file) if self.file else None
        waiting = self.switches.read()
        with self.changed:
            # One that is gone was stored by another replica: it holds until this one has read the
            # database.
            before = {path: switch for path, switch in self._folder.items() if switch.at}
            self._folder = before | {
                path: switch for path, switch in waiting.items() if path not in self._saved
            }
            self._file_mode = content.mode if content else None
            error = content.error if content else ""
            if error != self._file_error:
                log.error(f"the mode file counts as shadow: {error}") if error else log.info(
                    "the mode file is usable"
                )
            self._file_error = error
            self.metrics.mode_file_invalid.set(bool(error))
            self._settle()

    def step_down(self, mode: str, who: str, why: str, request: str = "") -> Mode:
        """Switch this replica at once, whether the database is there or not, and remember it until
        it is stored.
        """
        with self.changed:
            new = new_switch(mode, who, why, self._known.number, request)
            self._unsaved[mode] = new
            self.generation += 1
            self._settle()
            self._remember()
        self.wake.set()
        return new

    def is_step_up(self, mode: str) -> bool:
        return rank(mode) > rank(self.mode)

    def obstacle(self, mode: str) -> str:
        """What beside the database keeps this replica stricter than `mode`; empty when nothing
        does.
        """
        with self.changed:
            stricter = [
                item for source, item in self._sources()[1:] if rank(item.mode) < rank(mode)
            ]
        return (
            f"{stricter[0].mode} holds through {stricter[0].who}: {stricter[0].why}"
            if stricter
            else ""
        )

    def stored(self, switch: Mode, seconds: float) -> bool:
        """Wait for the database to take a switch of `step_down`, while it answers.

        Gives whether it has.
        """
        with self.changed:
            reads = self.reads
            self.changed.wait_for(
                lambda: switch not in self._unsaved.values() or (self.away and self.reads > reads),
                seconds,
            )
            return switch not in self._unsaved.values()

    def refresh(self, seconds: float) -> None:
        """Wait until the database was read from now on, or did not answer."""
        with self.changed:
            self.generation += 1  # what is being read is from before
            reads = self.reads
            self.wake.set()
            self.changed.wait_for(lambda: self.reads > reads, seconds)

    def waiting(self) -> tuple[int, list[Mode]]:
        """A number that every switch raises, and the switches that the database must get, oldest
        first.
        """
        with self.changed:
            switches = [
                item for item in (*self._unsaved.values(), *self._folder.values()) if item.at
            ]
            return self.generation, sorted(switches, key=lambda item: str(item.at))

    def follow(self, known: Mode | None, generation: int, stored: list[Mode]) -> bool:
        """Take what the database says, and that it holds these switches.

        False, and nothing changes, when this replica was switched since `generation`: what was read
        is from before.
        """
        with self.changed:
            if generation != self.generation:
                return False
            self._known, self._known_from = known or self.first, "database" if known else "settings"
            self._unsaved = {
                mode: item for mode, item in self._unsaved.items() if item not in stored
            }
            files = {path for path, item in self._folder.items() if item in stored}
            self._saved |= files
            self._folder = {
                path: item for path, item in self._folder.items() if path not in self._saved
            }
            self._answered("")
        for path in files:
            self.switches.remove(path)
        return True

    def switched(self, new: Mode) -> None:
        """Take a switch that this replica has written to the database."""
        with self.changed:
            self.generation += 1
            self._known, self._known_from = new, "database"
            self._answered("")

    def failed(self, why: str) -> None:
        """The database did not answer."""
        with self.changed:
            self._answered(why)

    def _answered(self, away: str) -> None:
        self.away = away
        self.reads += 1
        self._settle()
        self._remember()
        self.changed.notify_all()

    def _sources(self) -> list[tuple[Source, Mode]]:
        """What the database said last, then everything beside it."""
        sources: list[tuple[Source, Mode]] = [(self._known_from, self._known)]
        if self._file_mode:
            sources.append(("file", self._file_mode))
        return sources + [
            ("replica", item) for item in (*self._unsaved.values(), *self._folder.values())
        ]

    def _settle(self) -> None:
        """The strictest counts; of equals the database."""
        source, holds = min(self._sources(), key=lambda item: rank(item[1].mode))
        before, self.mode, source_before, self.source = self.mode, holds.mode, self.source, source
        self.metrics.mode_unsaved.set(self.unsaved)
        if (before, source_before) == (holds.mode, source):
            return
        self.metrics.mode.clear()
        self.metrics.mode.labels(holds.mode).set(1)
        facts = {
            "mode": holds.mode,
            "before": before,
            "source": source,
            "who": holds.who,
            "why": holds.why,
        }
        log.info("mode", extra={"facts": facts})

    def _remember(self) -> None:
        known = self._known if self._known_from in ("database", "settings", "memory") else None
        now_known = known, list(self._unsaved.values())
        if now_known == self._remembered and self.memory.path.exists():
            return
        why = self.memory.write(*now_known)
        self._remembered = None if why else now_known
        if why and why != self.forgotten:
            log.error(
                f"the mode cannot be remembered in {self.memory.path}: {why}; after a "
                f"restart it is shadow"
            )
        self.forgotten = why
