"""A PostgreSQL server for the tests, with an immediate shutdown as in a crash."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

from .service import HOST, free_port


class Postgres:
    """A PostgreSQL server in a temporary folder; `stop` ends it as a crash does."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.port = programs, free_port()
        # The folder must be accessible to the user postgres.
        self.folder = Path(tempfile.mkdtemp(prefix="records-"))
        # PostgreSQL does not run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "--auth=trust", "--username=records", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -h {HOST} -k ''"
        self._run(
            "pg_ctl", "--wait", f"--log={self.folder / 'log'}", f"--options={options}", "start"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def runs(self) -> bool:
        try:
            self._run("pg_ctl", "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"records_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(
            f"postgresql://records@{HOST}:{self.port}/postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://records@{HOST}:{self.port}/{name}"

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), f"--pgdata={self.folder / 'data'}", *arguments]
        subprocess.run(
            command,
            check=True,
            user=self.user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def postgres_programs() -> Path | None:
    """Return the folder of the newest installed PostgreSQL programs, or None."""
    result = shutil.which("pg_ctl")
    beside = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    newest = sorted(beside, key=lambda path: float(path.parent.name))
    return newest[-1] if newest else Path(result).parent if result else None
