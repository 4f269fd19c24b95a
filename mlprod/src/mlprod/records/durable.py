"""A small file that is there, whole, after a power cut."""

import contextlib
import os
from pathlib import Path


def write_durably(path: Path, content: bytes, permissions: int = 0o600) -> None:
    """Replace the file, all or nothing. Raises OSError, and leaves the file as it was."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, permissions), "wb") as file:
            draft.chmod(permissions)  # whatever the umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    with contextlib.suppress(OSError):  # a system that cannot open folders keeps their entries by itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
