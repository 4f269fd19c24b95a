"""What one replica remembers of the mode in its folder: what the database said last, and switches
that it does not hold yet.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..atomic_write import atomic_write
from ..modes import MODES
from .mode import Mode, mode_from_dict, mode_to_dict

SIZE = 16_384  # bytes of the file, always


class ModeMemory:
    """One file of a fixed size: when its disk is full it can still be overwritten in place."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Mode | None, list[Mode]]:
        """What the database said last, None when that is not known, and the switches that wait for
        it.
        """
        try:
            text = self.path.read_bytes().decode().strip()
            if text in MODES:  # as older versions of this project wrote it
                return Mode(text, "unknown", "written by an older version"), []
            content = json.loads(text)
            known = content["known"]
            return known and mode_from_dict(known), [
                mode_from_dict(item) for item in content["unsaved"]
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return None, []

    def write(self, known: Mode | None, unsaved: Iterable[Mode]) -> str:
        """Remember.

        Gives why that was not possible; the next process then knows no mode, and so is in shadow.
        """
        waiting = [mode_to_dict(item) for item in unsaved]
        text = json.dumps(
            {"known": known and mode_to_dict(known), "unsaved": waiting}, ensure_ascii=False
        )
        content = text.encode().ljust(SIZE)
        try:
            atomic_write(self.path, content, 0o600)
        except OSError:
            try:
                self._overwrite(content)
            except OSError as error:
                with contextlib.suppress(OSError):
                    self.path.unlink()
                return str(error)
        return ""

    def _overwrite(self, content: bytes) -> None:
        file = os.open(self.path, os.O_WRONLY)
        try:
            if os.write(file, content) < len(content):
                raise OSError("no space for all of it")
            os.fsync(file)
        finally:
            os.close(file)
