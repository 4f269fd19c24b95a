"""Who may ask for what.

A key is 32 random bytes; only its sha256 is kept: enough for what nobody can guess.

The file: {"salt": "...", "keys": [{"name": "checkout", "roles": ["predict"], "sha256": "...",
"until": "2027-06-30"}]}. Rotation: add a second key, move the callers, remove the first. The file
is read again when it changes. A key that is taken out of it ends at once. While the file is gone or
broken the keys from before hold on, for HOLD_SECONDS.
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
LOCAL = "local"  # who asks where no keys are needed
HOLD_SECONDS = 300.0  # for an edit that went wrong; to end a key, take it out of the file
MAKE = "Make one with the verb create-key: create-key --name checkout --role predict"


class KeysError(Exception):
    """The file of keys cannot be used; the message says where and what works."""


class Key(BaseModel):
    """One caller's key. `until` is the last day on which it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    roles: frozenset[Role] = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    until: date | None = None


class KeyFile(BaseModel):
    """`salt` hides units and reviewers in the records; changing it cuts new records off from old
    ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    salt: str = Field(pattern="^[!-~]{16,64}$")
    keys: tuple[Key, ...]


_ANYONE = Caller(LOCAL, frozenset(get_args(Role)))


class ApiKeys:
    """The keys of a file, or nobody's: without a file everyone is LOCAL and may do everything."""

    def __init__(self, path: Path | None, local_salt: Path | None = None) -> None:
        """`local_salt`: where a salt of this machine's own lies while there are no keys.

        Raises KeysError.
        """
        self.path, self._stamp, self.salt = path, (0, 0, 0), b"" if path else _own_salt(local_salt)
        self._known: dict[bytes, Key] = {}
        self.error, self.ended = (
            "",
            False,
        )  # why the file cannot be used, and whether the keys from before have ended
        self._error_at = 0.0
        if path:
            self._read(path)
            if not self._known:
                raise KeysError(f"{path}: no key in it. {MAKE}")

    def caller(self, authorization: bytes) -> Caller | None:
        """Who sent this header; None when the key is absent, unknown or has run out."""
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
        """Of the keys in the file."""
        return {key.name for key in self._known.values()}

    def refresh(self) -> str | None:
        """Read the file again if it changed, or could not be read; gives what is worth a log line."""
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
            return f"{error}; no key holds any more, and every caller is refused"
        if error == before:
            return None
        left = self._error_at + HOLD_SECONDS - now
        return f"{error}; " + (
            "no key holds" if self.ended else f"the keys from before hold on for {left:.0f} seconds"
        )

    def _read(self, path: Path) -> None:
        try:
            self._stamp = _stamp(path)
            result = KeyFile.model_validate_json(path.read_bytes())
        except OSError as error:
            raise KeysError(f"{path}: no keys ({error.strerror}). {MAKE}") from error
        except ValidationError as error:
            errors = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            raise KeysError(f"{path}: no usable keys: {errors}. {MAKE}") from error
        self._known = {bytes.fromhex(key.sha256): key for key in result.keys}
        self.salt = result.salt.encode()


def add_key(path: Path, name: str, roles: Collection[str], until: date | None = None) -> str:
    """Add a key to the file, which is made if need be; gives the key itself, which is kept nowhere.

    Raises KeysError.
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
        now = KeyFile.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError) as error:
        raise KeysError(f"{path}: {error}") from error
    new = KeyFile(
        salt=now.salt if now else secrets.token_hex(16), keys=(*(now.keys if now else ()), key)
    )
    atomic_write(path, new.model_dump_json(indent=1, exclude_none=True).encode() + b"\n", 0o600)
    return secret


def _own_salt(path: Path | None) -> bytes:
    """A secret of this machine, made when it is first needed, or of this process alone."""
    if path is None:
        return secrets.token_bytes(16)
    with (
        contextlib.suppress(FileExistsError),
        os.fdopen(os.open(path, NEW_SECRET, 0o600), "w") as file,
    ):
        file.write(secrets.token_hex(16))
    return path.read_bytes()


def _stamp(path: Path) -> tuple[int, int, int]:
    """Another one once the file has changed.

    Its time alone would not do: many systems count that in steps of 4 ms, and whoever looked while
    the file was being written would not look again.
    """
    try:
        result = path.stat()
    except OSError:
        return -1, -1, -1  # told once, not at every look
    return result.st_mtime_ns, result.st_ino, result.st_size
