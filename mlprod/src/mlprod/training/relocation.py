"""The embedded registry names its files by their whole path.

After its folder was moved or copied, the paths follow.
"""

import contextlib
import sqlite3
from pathlib import Path

WAIT = 30  # seconds for another command that writes
STATEMENTS = (
    "UPDATE experiments SET artifact_location = :now || substr(artifact_location, "
    "length(:before) + 1) "
    "WHERE substr(artifact_location || '/', 1, length(:before) + 1) = :before || '/'",
    "UPDATE runs SET artifact_uri = :now || substr(artifact_uri, length(:before) + 1) "
    "WHERE substr(artifact_uri || '/', 1, length(:before) + 1) = :before || '/'",
)


def relocate(database: Path, before: str, artifacts: Path) -> None:
    """Lead from the artifacts at the address `before` to those in this folder, unless none came
    along.

    A copy would otherwise write into the folder that it was copied from. Raises sqlite3.Error.
    """
    if artifacts.is_dir() and any(artifacts.iterdir()):
        with contextlib.closing(sqlite3.connect(database, timeout=WAIT)) as connection, connection:
            for statement in STATEMENTS:
                connection.execute(statement, {"before": before, "now": artifacts.as_uri()})
