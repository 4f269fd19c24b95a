"""Sources of the mode besides the database: a file for all replicas, and a folder of a machine."""

import contextlib
import json
import os
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..atomic_write import atomic_write
from ..modes import MODES, SAFEST
from .mode import MAX_REASON, ModeSwitch, mode_from_dict, mode_to_dict

# the maximum size of a mode file
MAX_BYTES = 4_096
# Non-blocking: a pipe without a writer must not delay the kill switch.
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class FileMode:
    """The content of a mode file.

    `mode` is None if there is no file. If there is an `error`, the mode is shadow.
    """

    mode: ModeSwitch | None = None
    error: str = ""


def read_mode_file(path: Path) -> FileMode:
    """Read a mode file: the first word is the mode, the rest is the reason.

    A file that is not valid counts as shadow: somebody wanted to restrict decisions, and a typing
    error must not release them. Without a file nothing is restricted.
    """
    try:
        content, written = _read(path)
    except FileNotFoundError:
        if path.parent.is_dir() and not path.is_symlink():
            return FileMode()
        return _unusable(f"{path} cannot be read: its folder or the target of its link is missing")
    except (OSError, ValueError) as error:
        return _unusable(f"{path} cannot be read: {error}")
    word, *reason = content.split()
    if word not in MODES:
        return _unusable(f"{path} begins with {word[:20]!r}; what works: {', '.join(MODES)}")
    return FileMode(
        ModeSwitch(
            word, str(path), " ".join(reason)[:MAX_REASON] or "the file has no reason", written
        )
    )


def _unusable(error: str) -> FileMode:
    return FileMode(ModeSwitch(SAFEST, "nobody", error[:MAX_REASON]), error)


def _read(path: Path) -> tuple[str, datetime]:
    with os.fdopen(os.open(path, READ), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        content = file.read(MAX_BYTES + 1)
    if not content.strip() or len(content) > MAX_BYTES:
        raise ValueError(
            "it is empty" if len(content) <= MAX_BYTES else f"it has more than {MAX_BYTES:,} bytes"
        )
    return content.decode(), _utc(status.st_mtime)


class SwitchFolder:
    """The switches that were made on this machine while the database was down.

    Each switch is a file of its own that never changes. A service of this machine writes it to the
    database and removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, switch: ModeSwitch) -> Path:
        """Write a switch to a new file; return its path. Raises OSError if that fails."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            # A service may run as another user.
            self.folder.chmod(0o755)
        path = self.folder / f"{time.time_ns():020}-{os.getpid()}.json"
        atomic_write(path, json.dumps(mode_to_dict(switch)).encode(), 0o644)
        return path

    def read(self) -> dict[Path, ModeSwitch]:
        """Return the switches, oldest first.

        An unreadable file or folder counts as shadow; for a folder that switch has no time.
        """
        try:
            paths = sorted(
                path
                for path in self.folder.iterdir()
                if path.suffix == ".json" and path.name[0] != "."
            )
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            # Somebody created the folder for a switch, which may be the kill switch.
            return {
                self.folder: ModeSwitch(
                    SAFEST, "unknown", f"{self.folder} cannot be read: {error}"[:MAX_REASON]
                )
            }
        return {path: switch for path in paths if (switch := self._switch(path))}

    def remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _switch(self, path: Path) -> ModeSwitch | None:
        try:
            return mode_from_dict(json.loads(path.read_bytes()))
        except FileNotFoundError:
            # Another replica with this folder was faster.
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"{path} cannot be read: {error}"[:MAX_REASON]
            with contextlib.suppress(OSError):
                return ModeSwitch(SAFEST, "unknown", why, _utc(path.stat().st_mtime))
            return None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
