"""The service as a process, callers that remember what they were answered, and a database that can be stopped."""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from ...contract.encoding import sample
from ...project import Project
from ...records.database import engine_of
from ...records.tables import predictions
from ...settings import Settings
from ...start import package_here
from ..waiting import eventually

PACKAGE = package_here(Path.cwd())
TERMS = Project(PACKAGE).terms
HOST = "127.0.0.1"
LIMIT: int = Settings.model_fields["max_body_bytes"].default
ENDS_WITHIN = 20.0  # seconds from SIGTERM, drain included
NOTHING: tuple[type[Exception], ...] = (OSError, HTTPException)


def rows_of(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows that keep the contract, whatever it says."""
    columns = sample(TERMS.fields, number, seed)
    rows: list[dict[str, Any]] = []
    for position in range(number):
        row: dict[str, Any] = {}
        for field in TERMS.fields:
            value = columns[field.name][position]
            if value is None or value != value:
                continue
            if field.kind == "text":
                row[field.name] = str(value)[: field.longest]
            elif field.kind == "category":
                row[field.name] = str(value)
            else:
                row[field.name] = {"boolean": bool, "integer": int}.get(field.kind, float)(value)
        rows.append(row)
    return rows


ROWS = rows_of(1_000)


def body_of(number: int = 1, named: str = "") -> bytes:
    """A body of some rows, with ids when `named` says how they begin."""
    picked = itertools.islice(itertools.cycle(ROWS), number)
    return json.dumps(
        {"rows": [row | ({"id": f"{named}-{place}"} if named else {}) for place, row in enumerate(picked)]}
    ).encode()


def full_body() -> bytes:
    """The most rows that one body may hold, by their number and by its length."""
    return body_of(min(1_000, LIMIT // (len(body_of(100)) // 90)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class Service:
    """`serve --no-follow` in a folder of its own. It may be killed and started again on the same folder."""

    def __init__(self, folder: Path, models: Path, url: str, **environment: object) -> None:
        self.url, self.port, self.ops_port = url, free_port(), free_port()
        self.spool, self.log = folder / "spool", folder / "log"
        said = {
            "ML_STATE": folder,
            "ML_MODEL_DIR": models,
            "ML_SPOOL": self.spool,
            "ML_DATABASE_URL": url,
            "ML_PORT": self.port,
            "ML_OPS_PORT": self.ops_port,
            "ML_ALLOW_PICKLE": "true",  # the model is one that the tests have just trained
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.environment = {**os.environ, **{name: str(value) for name, value in (said | environment).items()}}
        self.spool = Path(self.environment["ML_SPOOL"])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, probe: str = "readyz") -> "Service":
        """Returns once it is ready, or so far as another probe says."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", PACKAGE, "serve", "--no-follow"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.alive() and self.operations(probe)[0] == 200)
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def alive(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"the service ended: {self.said()}"
        return True

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def tell_to_end(self, by: int = signal.SIGTERM) -> None:
        assert self.process
        self.process.send_signal(by)

    def ended(self) -> int:
        """The status with which it ends."""
        assert self.process
        return self.process.wait(ENDS_WITHIN)

    def operations(self, route: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.ops_port}/{route}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """A metric, as it stands on the second port; 0 when nothing has counted yet."""
        lines = [line for line in self.operations("metrics")[1].splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def ask(self, route: str, body: bytes | None = None, key: str = "") -> tuple[int, dict[str, str], Any]:
        """Status, headers in small letters and the answer, over a connection of its own."""
        connection = HTTPConnection(HOST, self.port, timeout=30)
        try:
            given = {"authorization": f"Bearer {key}"} if key else {}
            connection.request("GET" if body is None else "POST", route, body, given)
            response = connection.getresponse()
            told = response.read()
        finally:
            connection.close()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, json.loads(told)

    def answers(self) -> bool:
        """Whether a good body is answered; a moment in which it is too busy does not count."""
        until = time.monotonic() + 30
        while (said := self.ask("/v1/predict", body_of()))[0] == 503 and time.monotonic() < until:
            time.sleep(0.1)
        return said[0] == 200

    def shipped(self) -> None:
        """Returns once nothing waits for the database: shipping comes after answering, and may last."""
        until = time.monotonic() + 120
        while self.alive() and (left := self.metric("ml_events_pending")) and time.monotonic() < until:
            time.sleep(0.2)
        assert not left, f"{left:g} answers still wait for the database: {self.said()}"

    def events(self) -> list[dict[str, Any]]:
        """What it has logged, as far as that is complete."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:]


@contextlib.contextmanager
def running(folder: Path, models: Path, url: str, **environment: object) -> Iterator[Service]:
    """A service that is gone afterwards, however the test ends."""
    service = Service(folder, models, url, **environment)
    try:
        yield service.start()
    finally:
        if service.process and service.process.poll() is None:
            service.kill()


class Caller:
    """One connection, opened again when it broke or when the service asks for another."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connection: HTTPConnection | None = None

    def post(self, route: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Raises OSError or HTTPException when the connection breaks."""
        self.connection = self.connection or HTTPConnection(HOST, self.service.port, timeout=30)
        try:
            self.connection.request("POST", route, body)
            response = self.connection.getresponse()
            told = response.read()
        except NOTHING:
            self.close()
            raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        if headers.get("connection") == "close":
            self.close()
        return response.status, headers, told

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


class Load:
    """Callers on threads who predict until told to stop, and remember what they were answered.

    What breaks or is refused with a time to come back is asked again, with the same id, as a careful caller does.
    """

    def __init__(self, service: Service, callers: int = 4, rows: int = 1, pause: float = 0.0) -> None:
        self.service, self.rows, self.pause = service, rows, pause
        self.answered: dict[str, float] = {}  # id → score
        self.asked: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.reasons: list[str] = []  # of refusals that were announced
        self.wrong: list[str] = []  # any other answer
        self.broken: list[float] = []  # when a connection broke
        self.times: list[tuple[float, float]] = []  # when answered with 200, after how many seconds
        self.unclosed: list[float] = []  # when asked what was answered 200 without a call for another connection
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def stored(self) -> None:
        """Asserts that the database holds every answer once, with the score that was told, and nothing unasked."""
        found = stored(self.service.url)
        ids = [id for id, _ in found]
        scores = dict(found)
        assert len(ids) == len(scores), "a prediction is stored twice"
        lost = self.answered.keys() - scores.keys()
        assert not lost, f"{len(lost)} of {len(self.answered)} answers are lost, for example {sorted(lost)[:3]}"
        other = {id: (score, scores[id]) for id, score in self.answered.items() if scores[id] != score}
        assert not other, f"{len(other)} scores differ from those told, for example {list(other.items())[:3]}"
        assert {id for id in scores if id.startswith("load-")} <= self.asked

    def _call(self) -> None:
        caller, name = Caller(self.service), f"load-{uuid.uuid4().hex[:8]}"
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._until_answered(caller, body_of(self.rows, f"{name}-{number}"))
                if self.pause:
                    time.sleep(self.pause)
        except Exception as error:
            self.wrong.append(repr(error))
            raise
        finally:
            caller.close()

    def _until_answered(self, caller: Caller, body: bytes) -> None:
        self.asked.update(row["id"] for row in json.loads(body)["rows"])
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                status, headers, told = caller.post("/v1/predict", body)
            except NOTHING:
                self.broken.append(time.monotonic())
                time.sleep(0.02)
                continue
            self.statuses[status] += 1
            if status == 200:
                now = time.monotonic()
                self.times.append((now, now - began))
                if headers.get("connection") != "close":
                    self.unclosed.append(began)
                self.answered.update({each["id"]: each["score"] for each in json.loads(told)["predictions"]})
                return
            if status == 503 and "retry-after" in headers:
                self.reasons.append(json.loads(told)["detail"])
                time.sleep(0.05)  # sooner than asked for: it is to hurt
                continue
            self.wrong.append(f"{status} {told[:200]!r}")
            return


def stored(url: str) -> list[tuple[str, float]]:
    """(id, score) of every prediction in a database."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            return [(id, score) for id, score in connection.execute(select(predictions.c.id, predictions.c.score))]
    finally:
        engine.dispose()


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
        self._run("pg_ctl", "--wait", f"--log={self.folder / 'log'}", f"--options={options}", "start")

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
        with psycopg.connect(f"postgresql://records@{HOST}:{self.port}/postgres", autocommit=True) as connection:
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
    found = shutil.which("pg_ctl")
    beside = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    newest = sorted(beside, key=lambda path: float(path.parent.name))
    return newest[-1] if newest else Path(found).parent if found else None


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of its own that is soon full; None where it cannot be had."""
    folder.mkdir()
    mount = [shutil.which("mount") or "", "-t", "tmpfs", "-o", f"size={megabytes}m", "faults", str(folder)]
    if not mount[0] or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "", "--lazy", str(folder)], check=True)


def connected(service: Service, content: bytes = b"", receive_buffer: int = 0) -> socket.socket:
    """A bare connection on which something was sent already."""
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(30)
    made.connect((HOST, service.port))
    with contextlib.suppress(OSError):
        made.sendall(content)
    return made


def statuses_of(made: socket.socket) -> list[int]:
    """The status of every answer that comes until the connection is closed or nothing more comes for a while."""
    made.settimeout(7)  # longer than any answer takes
    content = b""
    with contextlib.suppress(OSError):
        while part := made.recv(65_536):
            content += part
    made.close()
    parts = content.split(b"HTTP/1.1 ")
    return [int(part[:3]) for part in parts[1:]]


def seconds_of(name: str, usual: float) -> float:
    """A length of time from the environment."""
    return float(os.environ.get(name, "") or usual)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes, runs of bytes or numbers changed."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(found) + 1)
        end = min(len(found), place + chance.choice((1, 1, 2, 8, 64)))
        changes: list[Callable[[], bytes]] = [
            lambda: b"",
            lambda: chance.randbytes(chance.choice((1, 1, 4, 32))),
            lambda place=place, end=end: bytes(found[place:end]) * 2,  # type: ignore[misc]
            lambda: chance.choice(ODD),
        ]
        found[place:end] = chance.choice(changes)()
    return bytes(found)


ODD = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"9" * 400,
    b'"\\ud800"',
    b"\xff\xfe",
    b"\\u0000",
    b"{" * 64,
    b"[" * 300,
    b'""',
    b"true",
    b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-14:00"',
    b'"1"',
    b"\r\n\r\n",
    b",",
    b"}",
)
