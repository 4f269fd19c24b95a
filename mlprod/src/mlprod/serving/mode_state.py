"""Mode of this replica: the strictest of the database, the mode file and local switches."""

import threading
from pathlib import Path
from typing import Literal

from ..modes import SAFEST
from ..records.mode import ModeSwitch, new_switch, rank
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder, read_mode_file
from .logs import log
from .metrics import Metrics

Source = Literal["database", "memory", "settings", "file", "replica", "unknown"]


class ModeState:
    """Mode of this replica. Every request reads `mode`.

    `source` names where the mode comes from. `database`: the mode in the database. `memory`: the
    mode that the database had before this process. `settings`: the default, if nobody switched.
    `file`: the mode file. `replica`: a switch of this replica that is not in the database. An
    `unknown` mode is shadow: a replica that starts without its database must not undo the kill
    switch.
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
        """`first_mode` is active if the database has no mode. `file` may be None or missing."""
        self.default = ModeSwitch(first_mode, "settings", "ML_MODE")
        self.memory, self.switches, self.file, self.metrics = memory, switches, file, metrics
        self.database_error, self.reads, self.generation = "it was not read yet", 0, 0
        self.changed, self.wake = threading.Condition(), threading.Event()
        known, unsaved = memory.read()
        self._known = known or ModeSwitch(SAFEST, "nobody", "the database was not read yet")
        self._known_from: Source = "memory" if known else "unknown"
        self._unsaved = {item.mode: item for item in unsaved}  # the newest of each mode
        # None at first, so that the file of the memory takes its disk space at the start
        self._remembered: tuple[ModeSwitch | None, list[ModeSwitch]] | None = None
        self.memory_error = ""  # why the folder cannot store the mode
        self._file_error = ""
        self._folder: dict[Path, ModeSwitch] = {}
        # files of the folder whose switches are in the database, removed or not
        self._saved: set[Path] = set()
        self._file_mode: ModeSwitch | None = None
        self.mode, self.source = SAFEST, "unknown"
        metrics.mode.labels(self.mode).set(1)
        self.read_files()

    @property
    def checked(self) -> bool:
        """Whether a read of the database has ended, successfully or not."""
        return self.reads > 0

    @property
    def unsaved(self) -> bool:
        """Whether the database does not have a switch of this machine yet."""
        return bool(self._unsaved or self._folder)

    def read_files(self) -> None:
        """Read the mode file and the folder of switches of this machine."""
        content = read_mode_file(self.file) if self.file else None
        waiting = self.switches.read()
        with self.changed:
            # Another replica stored the switch of a removed file. It stays active until this
            # replica has read the database.
            before = {path: switch for path, switch in self._folder.items() if switch.at}
            self._folder = before | {
                path: switch for path, switch in waiting.items() if path not in self._saved
            }
            self._file_mode = content.mode if content else None
            error = content.error if content else ""
            if error != self._file_error:
                log.error(f"the mode file counts as shadow: {error}") if error else log.info(
                    "the mode file is valid"
                )
            self._file_error = error
            self.metrics.mode_file_invalid.set(bool(error))
            self._apply_strictest()

    def step_down(self, mode: str, who: str, why: str, request: str = "") -> ModeSwitch:
        """Switch this replica at once, also without the database.

        The switch is kept on disk until the database has it.
        """
        with self.changed:
            new = new_switch(mode, who, why, self._known.number, request)
            self._unsaved[mode] = new
            self.generation += 1
            self._apply_strictest()
            self._save_memory()
        self.wake.set()
        return new

    def is_step_up(self, mode: str) -> bool:
        return rank(mode) > rank(self.mode)

    def obstacle(self, mode: str) -> str:
        """Return which file or local switch is stricter than `mode`; "" for none."""
        with self.changed:
            stricter = [
                item for source, item in self._sources()[1:] if rank(item.mode) < rank(mode)
            ]
        return (
            f"{stricter[0].mode} is set by {stricter[0].who}: {stricter[0].why}" if stricter else ""
        )

    def stored(self, switch: ModeSwitch, seconds: float) -> bool:
        """Wait until the database has a switch of `step_down`, and return whether it has it.

        The wait ends after `seconds`, or when a read of the database fails.
        """
        with self.changed:
            reads = self.reads
            self.changed.wait_for(
                lambda: (
                    switch not in self._unsaved.values()
                    or (self.database_error and self.reads > reads)
                ),
                seconds,
            )
            return switch not in self._unsaved.values()

    def refresh(self, seconds: float) -> None:
        """Wait for a new read of the database, at most `seconds`; a failed read ends the wait."""
        with self.changed:
            self.generation += 1  # so that the result of a read in progress is not used
            reads = self.reads
            self.wake.set()
            self.changed.wait_for(lambda: self.reads > reads, seconds)

    def waiting(self) -> tuple[int, list[ModeSwitch]]:
        """Return the generation and the switches to store in the database, oldest first.

        Every switch raises the generation.
        """
        with self.changed:
            switches = [
                item for item in (*self._unsaved.values(), *self._folder.values()) if item.at
            ]
            return self.generation, sorted(switches, key=lambda item: str(item.at))

    def follow(self, known: ModeSwitch | None, generation: int, stored: list[ModeSwitch]) -> bool:
        """Apply the mode `known` of the database, which has the switches `stored`.

        Return False and change nothing if this replica was switched after `generation`, because the
        read is older than the switch.
        """
        with self.changed:
            if generation != self.generation:
                return False
            self._known, self._known_from = (
                known or self.default,
                "database" if known else "settings",
            )
            self._unsaved = {
                mode: item for mode, item in self._unsaved.items() if item not in stored
            }
            files = {path for path, item in self._folder.items() if item in stored}
            self._saved |= files
            self._folder = {
                path: item for path, item in self._folder.items() if path not in self._saved
            }
            self._note_read("")
        for path in files:
            self.switches.remove(path)
        return True

    def switched(self, new: ModeSwitch) -> None:
        """Apply a switch that this replica has written to the database."""
        with self.changed:
            self.generation += 1
            self._known, self._known_from = new, "database"
            self._note_read("")

    def failed(self, error: str) -> None:
        """Note that a read of the database failed."""
        with self.changed:
            self._note_read(error)

    def _note_read(self, error: str) -> None:
        self.database_error = error
        self.reads += 1
        self._apply_strictest()
        self._save_memory()
        self.changed.notify_all()

    def _sources(self) -> list[tuple[Source, ModeSwitch]]:
        """Return the last mode of the database, then the modes of all other sources."""
        sources: list[tuple[Source, ModeSwitch]] = [(self._known_from, self._known)]
        if self._file_mode:
            sources.append(("file", self._file_mode))
        return sources + [
            ("replica", item) for item in (*self._unsaved.values(), *self._folder.values())
        ]

    def _apply_strictest(self) -> None:
        """Apply the strictest mode; among equals, the database is the source."""
        source, active = min(self._sources(), key=lambda item: rank(item[1].mode))
        before, self.mode, source_before, self.source = self.mode, active.mode, self.source, source
        self.metrics.mode_unsaved.set(self.unsaved)
        if (before, source_before) == (active.mode, source):
            return
        self.metrics.mode.clear()
        self.metrics.mode.labels(active.mode).set(1)
        facts = {
            "mode": active.mode,
            "before": before,
            "source": source,
            "who": active.who,
            "why": active.why,
        }
        log.info("mode", extra={"facts": facts})

    def _save_memory(self) -> None:
        known = self._known if self._known_from in ("database", "settings", "memory") else None
        now_known = known, list(self._unsaved.values())
        if now_known == self._remembered and self.memory.path.exists():
            return
        why = self.memory.write(*now_known)
        self._remembered = None if why else now_known
        if why and why != self.memory_error:
            log.error(
                f"the mode cannot be stored in {self.memory.path}: {why}; after a "
                f"restart the mode is shadow"
            )
        self.memory_error = why
