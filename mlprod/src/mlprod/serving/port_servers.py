"""The servers of the two ports: uvicorn's, with limits of connections and with a drain before the
end.
"""

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

LOOK_TICKS = 10  # of 0.1 s, between two looks at who is slow
SIGNALS = [
    item for item in signal.Signals if item.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
]


class Limited(uvicorn.Server):
    """A server that cuts off who is too slow and counts whom it refused."""

    def __init__(self, config: uvicorn.Config, places: Places, metrics: Metrics) -> None:
        super().__init__(config)
        self.places, self.metrics = places, metrics

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
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


class ApiServer(Limited):
    """Says where it answers, and when told to end sends callers elsewhere first."""

    def __init__(
        self, config: uvicorn.Config, places: Places, assembly: Container, drain_seconds: float
    ) -> None:
        super().__init__(config, places, assembly.metrics)
        self.assembly, self.drain_seconds, self.leave_at = assembly, drain_seconds, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            log.info(
                f"answering at http://{self.config.host}:{self.config.port}, documentation at /docs"
            )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but it does not raise the signal again at the end: that would end the
        process before the last lines of the log are written. SIGHUP, the end of a terminal, counts
        too, unless nohup had it ignored.
        """
        caught = [
            entry
            for entry in SIGNALS
            if entry.name != "SIGHUP" or signal.getsignal(entry) != signal.SIG_IGN
        ]
        before = {item: signal.signal(item, self.handle_exit) for item in caught}
        try:
            yield
        finally:
            for element, handler in before.items():
                signal.signal(element, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, where every answer asks for another connection; a
        second ends it.
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


class AdminServer(Limited):
    """Ends when the public one has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
