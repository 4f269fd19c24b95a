"""A file that is there whole: written beside its place, made durable, then renamed.

Standard library only.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

# characters of the file's name in that of its draft, which a file system may limit to 255 bytes
MAX_NAME_LENGTH = 64


def atomic_write(path: Path, content: bytes | BinaryIO, permissions: int | None = None) -> None:
    """Replace a file, or make it; after a power cut it holds the old content or the new.

    Its folder must exist.

    `content`: bytes, or an open file that is copied from where it stands. `permissions` count
    whatever the umask is; without them the umask decides, as for any new file. Raises OSError, and
    leaves the file as it was.
    """
    draft, mode = (
        path.with_name(f".{path.name[:MAX_NAME_LENGTH]}.{secrets.token_hex(8)}"),
        permissions or 0o666,
    )
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if permissions:
                draft.chmod(permissions)
            if isinstance(content, bytes):
                file.write(content)
            else:
                shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:  # an interrupt leaves no draft either
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    with contextlib.suppress(
        OSError
    ):  # a system that cannot open folders keeps their entries without this
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
