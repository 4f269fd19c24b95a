"""Where a mode may come from beside the database: a file that every replica reads, and the folder
of a machine.
"""

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
from .mode import MAX_REASON, Mode, mode_from_dict, mode_to_dict

MAX_BYTES = 4_096  # of a mode file
READ = os.O_RDONLY | getattr(
    os, "O_NONBLOCK", 0
)  # a pipe without a writer must not hold the kill switch


@dataclass(frozen=True)
class FileMode:
    """What a mode file says; `mode` is None when there is no file.

    With an `error` the mode is shadow.
    """

    mode: Mode | None = None
    error: str = ""


def read_mode_file(path: Path) -> FileMode:
    """The first word of the file is the mode, the rest the reason.

    A file that cannot be understood counts as shadow: somebody meant to restrict decisions, and a
    slip must not loosen them. Without a file nothing is restricted.
    """
    try:
        content, written = _read(path)
    except FileNotFoundError:
        if path.parent.is_dir() and not path.is_symlink():
            return FileMode()
        return _unusable(f"{path} cannot be read: its folder or what it links to is absent")
    except (OSError, ValueError) as error:
        return _unusable(f"{path} cannot be read: {error}")
    word, *reason = content.split()
    if word not in MODES:
        return _unusable(f"{path} begins with {word[:20]!r}; what works is {', '.join(MODES)}")
    return FileMode(
        Mode(word, str(path), " ".join(reason)[:MAX_REASON] or "the file gives no reason", written)
    )


def _unusable(error: str) -> FileMode:
    return FileMode(Mode(SAFEST, "nobody", error[:MAX_REASON]), error)


def _read(path: Path) -> tuple[str, datetime]:
    with os.fdopen(os.open(path, READ), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        content = file.read(MAX_BYTES + 1)
    if not content.strip() or len(content) > MAX_BYTES:
        raise ValueError(f"it has {'no' if len(content) <= MAX_BYTES else 'too many'} words")
    return content.decode(), _utc(status.st_mtime)


class SwitchFolder:
    """Switches that were made on this machine while the database was away.

    Each is a file of its own, which nobody changes once it is there; a service of this machine
    writes it to the database and removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, switch: Mode) -> Path:
        """Raises OSError when it cannot be written."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            self.folder.chmod(0o755)  # a service may run as another user
        path = self.folder / f"{time.time_ns():020}-{os.getpid()}.json"
        atomic_write(path, json.dumps(mode_to_dict(switch)).encode(), 0o644)
        return path

    def read(self) -> dict[Path, Mode]:
        """The switches, oldest first.

        What cannot be read counts as shadow; of a folder it has no time.
        """
        try:
            paths = sorted(
                path
                for path in self.folder.iterdir()
                if path.suffix == ".json" and path.name[0] != "."
            )
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:  # somebody made it for a switch, which may be the stop
            return {
                self.folder: Mode(
                    SAFEST, "unknown", f"{self.folder} cannot be read: {error}"[:MAX_REASON]
                )
            }
        return {path: switch for path in paths if (switch := self._switch(path))}

    def remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _switch(self, path: Path) -> Mode | None:
        try:
            return mode_from_dict(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None  # another replica of this folder was faster
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"{path} cannot be read: {error}"[:MAX_REASON]
            with contextlib.suppress(OSError):
                return Mode(SAFEST, "unknown", why, _utc(path.stat().st_mtime))
            return None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
