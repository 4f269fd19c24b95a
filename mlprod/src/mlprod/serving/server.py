"""Start the service: one port for callers, one for those who run it, and a follower that brings what is promoted."""

import asyncio
import gc
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from ..project import Project
from ..settings import Settings
from .api_keys import LOCAL, KeysError
from .connection_limits import MAX_ADMIN_CONNECTIONS, MAX_CONNECTIONS, Guarded, Places
from .container import Assembly
from .logs import log, logging_to_output
from .metrics import Metrics
from .tracing import traced

PAUSE = 2.0  # seconds before a follower that ended is started again
LOOK_TICKS = 10  # of 0.1 s, between two looks at who is slow
LAST_SECONDS = 10  # for requests that are being answered when the service ends
ADMIN_KEEP_ALIVE = 5  # seconds for an idle connection to the second port, whose callers connect again without harm
OTHER_HANDLES = 256  # for files, the database and the other port
SIGNALS = [each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]


class PortTaken(Exception):
    """The service cannot listen where it should; the message names the variable to change."""


def serve(project: Project, settings: Settings, follower: bool = True) -> None:
    """Answer until stopped. With `follower`, another process keeps MODEL_DIR at the registry's champion; the service
    goes on without it.

    Raises KeysError when callers need keys and there are none, SpoolError when nothing can be written down, PortTaken.
    """
    need_keys(settings)
    os.umask(0o077)  # what this process writes concerns nobody else on this machine
    sys.setswitchinterval(0.0005)  # the thread that ships must not keep an answer waiting for 5 ms
    places, admin_places = Places(allow_connections()), Places(MAX_ADMIN_CONNECTIONS, cuts_answers=True)
    demand_port("ML_PORT", settings.host, settings.port)
    demand_port("ML_OPS_PORT", settings.ops_host, settings.ops_port)
    assembly = project.api().assembly
    common: dict[str, Any] = {"host": settings.host, "log_config": None, "access_log": False, "server_header": False}
    common |= {"proxy_headers": False, "ws": "none"}  # nothing here asks who is behind a proxy, or speaks WebSocket
    assembly.models.trials.fork = True  # nothing else runs here yet, so a first model is tried within milliseconds
    assembly.models.look()
    assembly.models.trials.fork = False
    app = traced(assembly.service, settings.model_name)
    near = uvicorn.Config(
        assembly.operations,
        port=settings.ops_port,
        lifespan="off",
        timeout_keep_alive=ADMIN_KEEP_ALIVE,
        timeout_graceful_shutdown=1,
        **common | {"host": settings.ops_host, "http": partial(Guarded, admin_places)},
    )
    far = uvicorn.Config(
        app,
        port=settings.port,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=LAST_SECONDS,
        **common | {"http": partial(Guarded, places)},
    )
    servers = (
        Public(far, places, assembly, settings.drain_seconds),
        Private(near, admin_places, assembly.metrics),
    )
    gc.collect()
    gc.freeze()  # what lives until the end need not be searched for garbage again, while callers wait
    beside = following(project.package) if follower else nullcontext()
    with logging_to_output(), beside, asyncio.Runner(loop_factory=far.get_loop_factory()) as runner:
        runner.run(_serve(*servers))


def demand_port(variable: str, host: str, port: int) -> None:
    """Raises PortTaken when nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise PortTaken(f"{host}:{port}: {error.strerror}; choose another with {variable}={port + 10}") from error


def allow_connections() -> int:
    """How many connections there are handles for. Asks for more where the usual 1,024 are fewer and may be raised."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_HANDLES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = max(soft, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, soft - OTHER_HANDLES))


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


class Limited(uvicorn.Server):
    """A server that cuts off who is too slow and counts whom it refused."""

    def __init__(self, config: uvicorn.Config, places: Places, metrics: Metrics) -> None:
        super().__init__(config)
        self.places, self.metrics = places, metrics

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
            now = time.monotonic()
            slow = sum(each.cut_off(now) for each in list(self.server_state.connections) if isinstance(each, Guarded))
            self.metrics.shed.labels("slow").inc(slow)
            self.metrics.shed.labels("connections").inc(self.places.full)
            for status, count in self.places.refused.items():
                self.metrics.requests.add("unknown", str(status), amount=count)
            self.places.full = 0
            self.places.refused.clear()
        return await super().on_tick(counter)


class Public(Limited):
    """Says where it answers, and when told to end sends callers elsewhere first."""

    def __init__(self, config: uvicorn.Config, places: Places, assembly: Assembly, drain_seconds: float) -> None:
        super().__init__(config, places, assembly.metrics)
        self.assembly, self.drain_seconds, self.leave_at = assembly, drain_seconds, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            log.info(f"answering at http://{self.config.host}:{self.config.port}, documentation at /docs")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but it does not raise the signal again at the end: that would end the process before the
        last lines of the log are written. SIGHUP, the end of a terminal, counts too, unless nohup had it ignored."""
        caught = [each for each in SIGNALS if each.name != "SIGHUP" or signal.getsignal(each) != signal.SIG_IGN]
        before = {each: signal.signal(each, self.handle_exit) for each in caught}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, where every answer asks for another connection; a second ends it."""
        first, self.assembly.service.draining = not self.assembly.service.draining, True
        if first and self.drain_seconds:
            self.leave_at = time.monotonic() + self.drain_seconds
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self.leave_at and time.monotonic() > self.leave_at:
            self.should_exit = True
        return await super().on_tick(counter)


class Private(Limited):
    """Ends when the public one has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def following(package: str) -> Iterator[None]:
    """The follower as a process of its own: what trains never enters the one that answers.

    It ends when its standard input does, so it dies with the service, however the service dies. Started again when it
    dies alone.
    """
    stop = threading.Event()

    def keep() -> None:
        while not stop.is_set():
            with subprocess.Popen(
                [sys.executable, "-m", package, "sync", "--follow-parent"], stdin=subprocess.PIPE
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
