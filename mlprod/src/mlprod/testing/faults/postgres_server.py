"""A PostgreSQL server of the tests, which can be stopped as a crash would stop it."""

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
    """A server of its own, which can be stopped as a crash would stop it."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.port = programs, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="records-"))  # where another user may reach it
        self.user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
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
        """The URL of a new, empty database."""
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
    """The folder of PostgreSQL's programs, of the newest that is installed."""
    result = shutil.which("pg_ctl")
    beside = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    newest = sorted(beside, key=lambda path: float(path.parent.name))
    return newest[-1] if newest else Path(result).parent if result else None
