"""Write a file completely or not at all: draft beside it, flush to disk, rename.

Standard library only.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

# Characters of the file's name that its draft's name repeats. File systems limit a name, for
# example to 255 bytes.
MAX_NAME_LENGTH = 64


def atomic_write(path: Path, content: bytes | BinaryIO, permissions: int | None = None) -> None:
    """Create or replace a file; after a power cut it holds the old content or the new one.

    The file's folder must exist. `content`: bytes, or an open file that is copied from its current
    position. `permissions` apply whatever the umask is. Without `permissions` the umask applies, as
    for any new file.

    Raises OSError if the file cannot be written, and leaves the file as it was.
    """
    draft = path.with_name(f".{path.name[:MAX_NAME_LENGTH]}.{secrets.token_hex(8)}")
    mode = permissions or 0o666
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
    except BaseException:
        # An interrupt must leave no draft either.
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    # Some systems cannot open a folder. They store its entries without this step.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
