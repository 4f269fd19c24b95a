"""The name by which training and operations call `atomic_write`."""

from pathlib import Path

from ..atomic_write import atomic_write


def write_durably(path: Path, content: bytes, permissions: int = 0o600) -> None:
    """Replace the file, all or nothing. Raises OSError, and leaves the file as it was."""
    atomic_write(path, content, permissions)
