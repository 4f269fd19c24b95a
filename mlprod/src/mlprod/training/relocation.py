"""Relocation of the embedded registry: its paths follow a folder that was moved or copied.

MLflow stores the absolute path of each artifact.
"""

import contextlib
import sqlite3
from pathlib import Path

# The time to wait for another command that writes.
DATABASE_WAIT_SECONDS = 30
STATEMENTS = (
    "UPDATE experiments SET artifact_location = :now || substr(artifact_location, "
    "length(:before) + 1) "
    "WHERE substr(artifact_location || '/', 1, length(:before) + 1) = :before || '/'",
    "UPDATE runs SET artifact_uri = :now || substr(artifact_uri, length(:before) + 1) "
    "WHERE substr(artifact_uri || '/', 1, length(:before) + 1) = :before || '/'",
)


def relocate(database: Path, before: str, artifacts: Path) -> None:
    """Replace the artifact address `before` by the address of this folder, unless it is empty.

    Without this a copy would write into the folder from which it was copied. Raises sqlite3.Error
    if the database cannot be written.
    """
    if artifacts.is_dir() and any(artifacts.iterdir()):
        connection = sqlite3.connect(database, timeout=DATABASE_WAIT_SECONDS)
        with contextlib.closing(connection), connection:
            for statement in STATEMENTS:
                connection.execute(statement, {"before": before, "now": artifacts.as_uri()})
