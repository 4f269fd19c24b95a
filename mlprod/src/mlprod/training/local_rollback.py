"""Rollback on this machine without the registry, from the bundles in MODEL_DIR."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from ..atomic_write import atomic_write
from ..bundle.manifest import folder_digest
from ..bundle.model_dir import (
    ROLLBACK_FILE,
    VERSIONS,
    LocalRollback,
    ModelRef,
    Pointer,
    read_pointer,
    read_rollback,
)


class LocalRollbackError(Exception):
    """The rollback on this machine is not possible; nothing was changed."""


def roll_back_locally(models: Path, who: str, why: str, number: int | None = None) -> LocalRollback:
    """Make the services that read `models` serve the champion's predecessor, or version `number`.

    The rollback applies until the registry's champion moves. A repeated call changes nothing.
    Raises LocalRollbackError if `models` holds no champion, or no complete bundle of the target.
    """
    pointer = _pointer(models)
    present = _present(models, pointer)
    if present and number in (None, present.to.version):
        return present
    to = _target(models, pointer, number)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    done = LocalRollback(left=pointer.champion, since=pointer.since, to=to, who=who, why=why, at=at)
    try:
        atomic_write(models / ROLLBACK_FILE, done.model_dump_json().encode() + b"\n", 0o644)
    except OSError as error:
        raise LocalRollbackError(f"{models / ROLLBACK_FILE} cannot be written: {error}") from error
    return done


def undo_local_rollback(models: Path) -> LocalRollback:
    """End a rollback of this machine, so that the registry's champion serves again.

    Raises LocalRollbackError if there is none.
    """
    present = _present(models, _pointer(models))
    if not present:
        raise LocalRollbackError(f"{models} holds no rollback, so there is none to undo")
    (models / ROLLBACK_FILE).unlink(missing_ok=True)
    return present


def _pointer(models: Path) -> Pointer:
    try:
        pointer = read_pointer(models)
    except (OSError, ValidationError) as error:
        raise LocalRollbackError(f"{models} cannot be read: {error}") from error
    if pointer is None:
        raise LocalRollbackError(f"{models} holds no champion, so there is nothing to roll back")
    return pointer


def _present(models: Path, pointer: Pointer) -> LocalRollback | None:
    try:
        present = read_rollback(models)
    # An unreadable file counts as none; the rollback writes it again.
    except (OSError, ValidationError):
        return None
    return present if present and present.applies(pointer) else None


def _target(models: Path, pointer: Pointer, number: int | None) -> ModelRef:
    """Return the nearest predecessor, or version `number`, whose bundle here is complete."""
    if number is None:
        candidates = pointer.predecessors()
    else:
        candidates = [
            item for item in (pointer.champion, *pointer.previous) if item.version == number
        ]
    for item in candidates:
        folder = models / VERSIONS / item.digest
        if folder.is_dir() and folder_digest(folder) == item.digest:
            return item
    held = sorted(
        item.version for item in pointer.previous if (models / VERSIONS / item.digest).is_dir()
    )
    wanted = f"version {number}" if number else f"a predecessor of version {pointer.version}"
    raise LocalRollbackError(
        f"{models} holds no complete bundle of {wanted}; it holds "
        f"{', '.join(map(str, held)) or 'no other version'}. "
        "What works: --version NUMBER of one that it holds, or the kill switch: set-mode shadow"
    )
