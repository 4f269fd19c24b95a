"""What the service takes on at once.

More is refused at once, with a time to come back, before everyone waits.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .problems import ProblemError

BEAT = 0.02  # seconds between two signs of life of the event loop
ANSWER_SECONDS = 10.0  # for work beside the event loop
MOST_ASIDE = 32  # pieces of work beside the event loop: explanations, database, models in Python
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # and not a backslash before the letters u0000
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Result = TypeVar("Result")


class LoadLimits:
    """Counts for one process.

    Every method raises ProblemError: 413 for a body too long, 503 to shed load.
    """

    def __init__(self, body_bytes: int, requests: int, late_seconds: float) -> None:
        """`late_seconds`: how long a request may have waited for the event loop before it is
        refused.
        """
        self.body_bytes, self.requests, self.late = body_bytes, requests, late_seconds + BEAT
        self.in_flight = self._aside = 0
        self._beat = float("inf")
        self._threads = ThreadPoolExecutor(
            MOST_ASIDE, "aside"
        )  # its own, so that slow work finds a thread at once
        self._urgent = ThreadPoolExecutor(2, "urgent")

    def admit(self) -> None:
        """Refuse when too much is going on already."""
        if self.in_flight > self.requests:
            raise busy("concurrency", f"{self.requests} requests are being answered")
        if time.monotonic() - self._beat > self.late:
            raise busy("late", f"answers are more than {self.late:g} s behind")

    async def heartbeat(self) -> None:
        """Note that the event loop comes round.

        All requests that wait are handled between two beats, so the age of the last one tells how
        long the request at hand has waited.
        """
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT)

    async def body(self, receive: Receive, said: bytes = b"0") -> bytes:
        """The whole body. `said`: its length as the client states it."""
        if said.isdigit() and int(said) > self.body_bytes:
            raise self._long(f"{int(said):,} bytes")
        message = await receive()
        result = bytearray(
            message.get("body", b"")
        )  # to which a part is added without a copy of those before
        while message.get("more_body"):
            message = await receive()
            result += message.get("body", b"")
            if len(result) > self.body_bytes:
                break
        if len(result) > self.body_bytes:
            raise self._long("more")
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "the body ended early")
        if b"\\u0000" in result and NUL.search(result):
            raise ProblemError(
                422, r"the character \u0000 is not taken: no database stores it in a text"
            )
        return bytes(result)

    async def run_urgent(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """As `aside`, on threads that nothing else keeps busy."""
        return await self._within(
            asyncio.get_running_loop().run_in_executor(self._urgent, work, *arguments)
        )

    async def run_in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do what takes long on a thread, so that the event loop goes on answering."""
        if self._aside >= MOST_ASIDE:
            raise busy("aside", f"{MOST_ASIDE} longer pieces of work are being done")
        self._aside += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        future.add_done_callback(self._done)
        return await self._within(future)

    async def _within(self, future: asyncio.Future[Result]) -> Result:
        try:
            return await asyncio.wait_for(asyncio.shield(future), ANSWER_SECONDS)
        except TimeoutError:
            future.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # nobody is left to ask
            late = (
                f"this took more than {ANSWER_SECONDS:g} s and may still be done; to ask again "
                f"does no harm"
            )
            raise ProblemError(503, late, retry_after=2, shed="time") from None

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._aside -= 1

    def _long(self, given: str) -> ProblemError:
        return ProblemError(
            413,
            f"a body has at most {self.body_bytes:,} bytes, given {given}; send fewer rows "
            f"at a time",
        )


def busy(reason: str, why: str) -> ProblemError:
    return ProblemError(
        503, f"too busy: {why}; nothing was done, try again", retry_after=1, shed=reason
    )
