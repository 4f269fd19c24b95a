"""Start the service: one port for callers, one for those who run it, and a follower that brings what is promoted."""

import asyncio
import ipaddress
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import uvicorn

from ..contract.terms import read_terms
from ..domain import contract, decision
from ..settings import PACKAGE, Settings
from .assembly import Assembly
from .explore import let_through
from .guard import MOST_CONNECTIONS, Guarded, GuardedOps
from .keys import LOCAL, KeysError
from .log import log, logging_to_output
from .tracing import traced

PAUSE = 2.0  # seconds before a follower that ended is started again
LOOK_TICKS = 10  # of 0.1 s, between two looks at who is slow
LAST_SECONDS = 10  # for requests that are being answered when the service ends


class PortTaken(Exception):
    """The service cannot listen where it should; the message names the variable to change."""


def serve(settings: Settings, follower: bool = True) -> None:
    """Answer until stopped. With `follower`, another process keeps MODEL_DIR at the registry's champion; the service
    goes on without it.

    Raises KeysError when callers need keys and there are none, SpoolError when nothing can be written down, PortTaken.
    """
    need_keys(settings)
    os.umask(0o077)  # what this process writes concerns nobody else on this machine
    sys.setswitchinterval(0.0005)  # the thread that ships must not keep an answer waiting for 5 ms
    allow_connections()
    demand_port("ML_PORT", settings.host, settings.port)
    demand_port("ML_OPS_PORT", settings.ops_host, settings.ops_port)
    explored = let_through(getattr(decision, "LET_THROUGH", None))
    assembly = Assembly(read_terms(contract), decision.baseline, decision.decide, decision.payoff, settings, explored)
    common: dict[str, Any] = {"host": settings.host, "log_config": None, "access_log": False, "server_header": False}
    common |= {"proxy_headers": False}  # nothing here asks who is behind a proxy
    assembly.models.trials.fork = True  # nothing else runs here yet, so a first model is tried within milliseconds
    assembly.models.look()
    assembly.models.trials.fork = False
    app = traced(assembly.service, settings.model_name)
    near = uvicorn.Config(
        assembly.operations,
        port=settings.ops_port,
        http=GuardedOps,
        lifespan="off",
        timeout_graceful_shutdown=1,
        **common,
    )
    near.host = settings.ops_host
    far = uvicorn.Config(app, port=settings.port, http=Guarded, timeout_graceful_shutdown=LAST_SECONDS, **common)
    servers = Public(far, assembly, settings.drain_seconds), Private(near)
    beside = following() if follower else nullcontext()
    with logging_to_output(), beside, asyncio.Runner(loop_factory=far.get_loop_factory()) as runner:
        runner.run(_serve(*servers))


def demand_port(variable: str, host: str, port: int) -> None:
    """Raises PortTaken when nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise PortTaken(f"{host}:{port}: {error.strerror}; choose another with {variable}={port + 10}") from error


def allow_connections() -> None:
    """Ask for a handle for each connection, where the usual 1,024 are fewer and may be raised."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_CONNECTIONS + 256  # for files, the database and the other port
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def need_keys(settings: Settings) -> None:
    """Raises KeysError unless callers have keys, or the service is local and only this machine reaches it."""
    if settings.keys_file:
        return
    works = "ML_KEYS_FILE=keys.json, which the verb key makes: key --name checkout --role predict"
    if settings.environment != LOCAL:
        raise KeysError(f"ML_ENVIRONMENT is {settings.environment} and there are no keys. What works: {works}")
    try:
        near = settings.host == "localhost" or ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        near = False
    if not near:
        raise KeysError(
            f"ML_HOST is {settings.host}, which others may reach, and there are no keys. What works: {works}"
        )


async def _serve(public: uvicorn.Server, private: uvicorn.Server) -> None:
    beside = asyncio.create_task(private.serve())
    await public.serve()
    private.should_exit = True
    await beside


class Public(uvicorn.Server):
    """Says where it answers, cuts off who is too slow, and on SIGTERM sends callers elsewhere first."""

    def __init__(self, config: uvicorn.Config, assembly: Assembly, drain_seconds: float) -> None:
        super().__init__(config)
        self.assembly, self.drain_seconds, self.leave_at = assembly, drain_seconds, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            log.info(f"answering at http://{self.config.host}:{self.config.port}, documentation at /docs")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, where every answer asks for another connection; a second ends it."""
        first, self.assembly.service.draining = not self.assembly.service.draining, True
        if first and self.drain_seconds:
            self.leave_at = time.monotonic() + self.drain_seconds
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self.leave_at and now > self.leave_at:
            self.should_exit = True
        if counter % LOOK_TICKS == 0 and (slow := cut_off_slow(self, now)):
            self.assembly.metrics.shed.labels("slow").inc(slow)
        return await super().on_tick(counter)


class Private(uvicorn.Server):
    """Ends when the public one has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
            cut_off_slow(self, time.monotonic())
        return await super().on_tick(counter)


def cut_off_slow(server: uvicorn.Server, now: float) -> int:
    """How many connections were."""
    return sum(each.look(now) for each in list(server.server_state.connections) if isinstance(each, Guarded))


@contextmanager
def following() -> Iterator[None]:
    """The follower as a process of its own: what trains never enters the one that answers.

    It ends when its standard input does, so it dies with the service, however the service dies. Started again when it
    dies alone.
    """
    stop = threading.Event()

    def keep() -> None:
        while not stop.is_set():
            with subprocess.Popen(
                [sys.executable, "-m", PACKAGE, "sync", "--follow-parent"], stdin=subprocess.PIPE
            ) as process:
                while process.poll() is None and not stop.wait(0.5):
                    pass
                process.terminate()
            if not stop.wait(PAUSE):
                log.warning(f"the follower ended with {process.returncode}; starting it again")

    keeper = threading.Thread(target=keep, name="keep-follower", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(10)
