"""A PostgreSQL server and a pooler for the tests, and databases of records of every kind.

A test is skipped if their programs are not installed. A test module that needs these fixtures sets
`pytest_plugins = ["postgres"]`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlprod.ops.migrate import migrate
from mlprod.records.tables import metadata

KINDS = ["sqlite", "postgresql", "pgbouncer"]
FREE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
# maximum seconds of a start
STARTING = 30
# No data has to survive a crash of the machine.
QUICK = {"fsync": "off", "full_page_writes": "off"}


class Server:
    """A server that listens on 127.0.0.1 only.

    It may be stopped and started again; its data stays.
    """

    def __init__(self, programs: Path, folder: Path, owner: dict[str, Any]) -> None:
        self.programs, self.folder, self.owner = programs, folder, owner
        with socket.create_server(("127.0.0.1", 0)) as result:
            self.port: int = result.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        flags = ["--auth=trust", "--username=tests", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [programs / "initdb", *flags, "-D", folder / "data"],
            check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **owner,
        )  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new(self) -> str:
        """Create a database; return its URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def start(self) -> None:
        """Return once it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        options = [
            part for name, value in (settings | QUICK).items() for part in ("-c", f"{name}={value}")
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.owner,
            )  # fmt: skip
        until = time.monotonic() + STARTING
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                return self.execute("SELECT 1")
            time.sleep(0.02)
        self.stop()
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop at once, like a crash: all connections are lost."""
        process, self._process = self._process, None
        if process:
            process.send_signal(signal.SIGQUIT)
            process.wait(STARTING)


class Pooler:
    """PgBouncer in front of a server: each transaction may run on another connection."""

    def __init__(self, program: str, folder: Path, server: Server) -> None:
        self.program, self.folder, self.server = program, folder, server
        with socket.create_server(("127.0.0.1", 0)) as result:
            self.port: int = result.getsockname()[1]
        (folder / "users").write_text('"tests" ""\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": folder / "users",
            "admin_users": "tests",
            "pool_mode": "transaction",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        where = f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
        (folder / "pgbouncer.ini").write_text(where + "\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, direct: str) -> str:
        """Return the URL of a database of the server through the pooler."""
        return direct.replace(f":{self.server.port}/", f":{self.port}/")

    def start(self) -> None:
        """Return once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, self.folder / "pgbouncer.ini"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.server.owner,
            )  # fmt: skip
        until = time.monotonic() + STARTING
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                return self.execute("SHOW VERSION")
            time.sleep(0.02)
        self.stop()
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.terminate()
            process.wait(STARTING)

    def close_connections(self, database: str) -> None:
        """Close all connections to a database."""
        for command in ("KILL", "RESUME"):
            # The pooler does not know a database that was never used through it.
            with contextlib.suppress(psycopg.Error):
                self.execute(f"{command} {database}")

    def execute(self, command: str) -> None:
        with psycopg.connect(self.url(self.server.url("pgbouncer")), autocommit=True) as connection:
            connection.execute(command.encode())


def programs() -> Path | None:
    """Find the folder of PostgreSQL's programs, the newest if there are several."""
    if result := shutil.which("initdb"):
        return Path(result).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(
        (path.parent for path in installed), key=lambda path: float(path.parent.name), default=None
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for the session. Skips the test if PostgreSQL cannot run."""
    owner: dict[str, Any] = {}
    if (here := programs()) is None:
        pytest.skip(
            "PostgreSQL is not installed: no initdb on PATH or in /usr/lib/postgresql/*/bin"
        )
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as made:
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # It refuses to run as root.
            owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
            try:
                shutil.chown(made, "postgres", "postgres")
            except LookupError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        server = Server(here, Path(made), owner)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def pooler(postgres: Server) -> Iterator[Pooler]:
    """A pooler for the session. Skips the test if PgBouncer is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        pytest.skip("PgBouncer is not installed: no pgbouncer on PATH or in /usr/sbin")
    folder = postgres.folder / "pooler"
    folder.mkdir()
    folder.chmod(0o755)
    pooler = Pooler(program, folder, postgres)
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.stop()


@pytest.fixture(scope="session")
def postgres_records(postgres: Server) -> str:
    """The name of a database of records.

    Emptying it takes a tenth of the time of a copy.
    """
    url = postgres.new()
    migrate(url)
    return url.rpartition("/")[2]


@pytest.fixture(params=KINDS)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    server: Server = request.getfixturevalue("postgres")
    url = server.new()
    return pooled(request, url) if request.param == "pgbouncer" else url


@pytest.fixture(params=KINDS)
def records_url(request: pytest.FixtureRequest, tmp_path: Path, empty_records: Path) -> str:
    """An empty database of records."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(empty_records, tmp_path / 'records.db')}"
    server: Server = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("postgres_records")
    url = server.url(name)
    if request.param == "pgbouncer":
        url = pooled(request, url)
    server.execute(FREE, name)
    server.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY", name)
    return url


def pooled(request: pytest.FixtureRequest, direct: str) -> str:
    """Return the URL through the pooler, and close all its connections to the database."""
    pooler: Pooler = request.getfixturevalue("pooler")
    pooler.close_connections(direct.rpartition("/")[2])
    return pooler.url(direct)
