"""Servers of the two ports: uvicorn with limits of connections, and with a drain before the end."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from .connection_limits import LimitedProtocol
from .connection_places import Places
from .container import Container
from .logs import log
from .metrics import Metrics

CHECK_TICKS = 10  # of 0.1 s, between two checks for slow connections
SIGNALS = [
    item for item in signal.Signals if item.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
]


class LimitedServer(uvicorn.Server):
    """A server that closes slow connections and counts refused ones."""

    def __init__(self, config: uvicorn.Config, places: Places, metrics: Metrics) -> None:
        super().__init__(config)
        self.places, self.metrics = places, metrics

    async def on_tick(self, counter: int) -> bool:
        if counter % CHECK_TICKS == 0:
            now = time.monotonic()
            slow = sum(
                item.cut_off(now)
                for item in list(self.server_state.connections)
                if isinstance(item, LimitedProtocol)
            )
            self.metrics.shed.labels("slow").inc(slow)
            self.metrics.shed.labels("connections").inc(self.places.full)
            for status, count in self.places.refused.items():
                self.metrics.requests.add("unknown", str(status), amount=count)
            self.places.full = 0
            self.places.refused.clear()
        return await super().on_tick(counter)


class ApiServer(LimitedServer):
    """Server of the API port. It logs its address, and drains connections before it ends."""

    def __init__(
        self, config: uvicorn.Config, places: Places, assembly: Container, drain_seconds: float
    ) -> None:
        super().__init__(config, places, assembly.metrics)
        self.assembly, self.drain_seconds, self.leave_at = assembly, drain_seconds, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            pages = "/openapi.json (with a key)" if self.assembly.keys.path else "/docs"
            address = f"http://{self.config.host}:{self.config.port}"
            log.info(f"serving at {address}, documentation at {pages}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals as uvicorn does, without raising them again at the end.

        Raising them again would end the process before the last log lines are written. SIGHUP, the
        end of a terminal, is handled too, unless nohup made the process ignore it.
        """
        caught = [
            item
            for item in SIGNALS
            if item.name != "SIGHUP" or signal.getsignal(item) != signal.SIG_IGN
        ]
        before = {item: signal.signal(item, self.handle_exit) for item in caught}
        try:
            yield
        finally:
            for item, handler in before.items():
                signal.signal(item, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain at the first signal, and end it at the second.

        During the drain, every answer closes its connection.
        """
        first, self.assembly.service.draining = not self.assembly.service.draining, True
        if first and self.drain_seconds:
            self.leave_at = time.monotonic() + self.drain_seconds
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self.leave_at and time.monotonic() > self.leave_at:
            self.should_exit = True
        return await super().on_tick(counter)


class AdminServer(LimitedServer):
    """Server of the admin port. It handles no signal and ends after the server of the API port."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
