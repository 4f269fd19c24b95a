"""API keys and the roles of their callers.

A key is 32 random bytes. The file stores only its sha256. That is enough, because nobody can guess
32 random bytes.

The file: {"salt": "...", "keys": [{"name": "checkout", "roles": ["predict"], "sha256": "...",
"until": "2027-06-30"}]}. To rotate a key, add a second key, move the callers, remove the first. The
service reads the file again when it changes. A key that is removed from it ends at once. While the
file is missing or broken, the last valid keys remain valid for HOLD_SECONDS.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..atomic_write import atomic_write
from ..extensions import Caller as Caller
from ..extensions import Role as Role

NEW_SECRET = os.O_CREAT | os.O_EXCL | os.O_WRONLY
LOCAL = "local"  # the caller where no keys are needed
# Time to repair a broken file of keys. To end a key, remove it from the file.
HOLD_SECONDS = 300.0
HOW_TO_CREATE = "Create one with the verb create-key: create-key --name checkout --role predict"


class KeysError(Exception):
    """The file of keys cannot be used. The message names the file and what works."""


class Key(BaseModel):
    """Key of one caller. `until` is the last day on which it is valid."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    roles: frozenset[Role] = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    until: date | None = None


class KeyFile(BaseModel):
    """Content of the file of keys.

    `salt` pseudonymizes units and reviewers in the records. With another salt, new records cannot
    be linked to old ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    salt: str = Field(pattern="^[!-~]{16,64}$")
    keys: tuple[Key, ...]


_ANYONE = Caller(LOCAL, frozenset(get_args(Role)))


class ApiKeys:
    """Keys of a file. Without a file, every caller is LOCAL and has every role."""

    def __init__(self, path: Path | None, local_salt: Path | None = None) -> None:
        """Read the file at `path`.

        `local_salt`: file of this machine's salt, used without keys. Raises KeysError if the file
        cannot be used.
        """
        self.path, self._stamp, self.salt = (
            path,
            (0, 0, 0),
            b"" if path else _local_salt(local_salt),
        )
        self._known: dict[bytes, Key] = {}
        # why the file cannot be used, and whether the last valid keys have expired
        self.error, self.ended = "", False
        self._error_at = 0.0
        if path:
            self._read(path)
            if not self._known:
                raise KeysError(f"{path}: the file has no key. {HOW_TO_CREATE}")

    def caller(self, authorization: bytes) -> Caller | None:
        """Return the sender of this header; None if the key is missing, unknown or expired."""
        if not self.path:
            return _ANYONE
        scheme, _, secret = authorization.partition(b" ")
        key = (
            self._known.get(hashlib.sha256(secret).digest())
            if scheme.lower() == b"bearer"
            else None
        )
        if key is None or (key.until and datetime.now(UTC).date() > key.until):
            return None
        return Caller(key.name, key.roles)

    @property
    def names(self) -> set[str]:
        """Names of the keys in the file."""
        return {key.name for key in self._known.values()}

    def refresh(self) -> str | None:
        """Read the file again if it changed or was unreadable; return a message for the log."""
        if not self.path or (not self.error and _stamp(self.path) == self._stamp):
            return None
        try:
            self._read(self.path)
        except (KeysError, OSError) as error:
            return self._hold_on(str(error))
        self.error, self.ended = "", False
        return f"{len(self._known)} keys read from {self.path}"

    def _hold_on(self, error: str) -> str | None:
        now, before, self.error = time.monotonic(), self.error, error
        if not before:
            self._error_at = now
        if not self.ended and now - self._error_at > HOLD_SECONDS:
            self._known, self.ended = {}, True
            return f"{error}; no key is valid any longer, and every caller is refused"
        if error == before:
            return None
        left = self._error_at + HOLD_SECONDS - now
        return f"{error}; " + (
            "no key is valid"
            if self.ended
            else f"the last valid keys remain valid for {left:.0f} seconds"
        )

    def _read(self, path: Path) -> None:
        try:
            self._stamp = _stamp(path)
            result = KeyFile.model_validate_json(path.read_bytes())
        except OSError as error:
            raise KeysError(
                f"{path}: the keys cannot be read ({error.strerror}). {HOW_TO_CREATE}"
            ) from error
        except ValidationError as error:
            errors = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            raise KeysError(f"{path}: the keys are invalid: {errors}. {HOW_TO_CREATE}") from error
        self._known = {bytes.fromhex(key.sha256): key for key in result.keys}
        self.salt = result.salt.encode()


def add_key(path: Path, name: str, roles: Collection[str], until: date | None = None) -> str:
    """Add a key to the file and return the key itself, which is not stored.

    The file is created if it does not exist. Raises KeysError if the file or the key is invalid.
    """
    secret = secrets.token_urlsafe(32)
    try:
        key = Key.model_validate(
            {
                "name": name,
                "roles": roles,
                "sha256": hashlib.sha256(secret.encode()).hexdigest(),
                "until": until,
            }
        )
    except ValidationError as error:
        raise KeysError(f"{path}: {error}") from error
    now = _read_file(path)
    new = KeyFile(
        salt=now.salt if now else secrets.token_hex(16), keys=(*(now.keys if now else ()), key)
    )
    atomic_write(path, new.model_dump_json(indent=1, exclude_none=True).encode() + b"\n", 0o600)
    return secret


def count_keys(path: Path, name: str) -> int:
    """Return how many keys of a caller the file has; 0 without a file.

    Raises KeysError if the file cannot be read.
    """
    known = _read_file(path)
    return sum(key.name == name for key in known.keys) if known else 0


def _read_file(path: Path) -> KeyFile | None:
    try:
        return KeyFile.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError) as error:
        raise KeysError(f"{path}: {error}") from error


def _local_salt(path: Path | None) -> bytes:
    """Return a secret of this machine, created at the first call; of this process if no path."""
    if path is None:
        return secrets.token_bytes(16)
    with (
        contextlib.suppress(FileExistsError),
        os.fdopen(os.open(path, NEW_SECRET, 0o600), "w") as file,
    ):
        file.write(secrets.token_hex(16))
    return path.read_bytes()


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return a stamp of the file's state, which differs after a change.

    The time of the change is not enough. Many systems count it in steps of 4 ms, so a read during a
    write would never be repeated.
    """
    try:
        result = path.stat()
    except OSError:
        return -1, -1, -1  # the same stamp at each check, so that it is logged once
    return result.st_mtime_ns, result.st_ino, result.st_size
