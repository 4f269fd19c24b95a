"""The mode that one replica stores in its folder.

It consists of the last mode of the database, and of the switches that the database does not have
yet.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..atomic_write import atomic_write
from ..modes import MODES
from .mode import ModeSwitch, mode_from_dict, mode_to_dict

# the fixed size of the file in bytes
SIZE = 16_384


class ModeMemory:
    """A file of a fixed size, which can be overwritten in place even on a full disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ModeSwitch | None, list[ModeSwitch]]:
        """Return the last mode of the database, and the switches that it does not have yet.

        The mode is None if it is not known.
        """
        try:
            text = self.path.read_bytes().decode().strip()
            # the format of older versions
            if text in MODES:
                return ModeSwitch(text, "unknown", "written by an older version"), []
            content = json.loads(text)
            known = content["known"]
            return known and mode_from_dict(known), [
                mode_from_dict(item) for item in content["unsaved"]
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return None, []

    def write(self, known: ModeSwitch | None, unsaved: Iterable[ModeSwitch]) -> str:
        """Write the file; return the error message, or an empty text.

        After an error the next process knows no mode, so it is in shadow.
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
                raise OSError("not enough space")
            os.fsync(file)
        finally:
            os.close(file)
