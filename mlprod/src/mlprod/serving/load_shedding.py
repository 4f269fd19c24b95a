"""Load shedding: limits of the work that the service does at the same time.

The service refuses more work at once, with a time to retry, so that not every caller waits.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .problems import ProblemError

HEARTBEAT_SECONDS = 0.02  # between two heartbeats of the event loop
ANSWER_SECONDS = 10.0  # for work on a thread
MAX_THREADS = 32  # for work beside the event loop: explanations, database, models in Python
# The escaped NUL character. A backslash before the letters u0000 is not one.
NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Result = TypeVar("Result")


class LoadLimits:
    """Limits of one process.

    Every method raises ProblemError: 413 if a body is too long, 503 to shed load.
    """

    def __init__(self, body_bytes: int, requests: int, late_seconds: float) -> None:
        """`late_seconds`: a request is refused if it has waited longer for the event loop."""
        self.body_bytes, self.requests = body_bytes, requests
        self.late = late_seconds + HEARTBEAT_SECONDS
        self.in_flight = self._in_threads = 0
        self._beat = float("inf")
        # threads of its own, so that slow work finds a thread at once
        self._threads = ThreadPoolExecutor(MAX_THREADS, "aside")
        self._urgent = ThreadPoolExecutor(2, "urgent")

    def admit(self) -> None:
        """Raise ProblemError if there are too many requests, or the event loop is late."""
        if self.in_flight > self.requests:
            raise busy("concurrency", f"{self.requests} requests are being answered")
        if time.monotonic() - self._beat > self.late:
            raise busy("late", f"answers are more than {self.late:g} s late")

    async def heartbeat(self) -> None:
        """Note the time of each turn of the event loop.

        All waiting requests are handled between two heartbeats. So the age of the last heartbeat is
        the time that the current request has waited.
        """
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def body(self, receive: Receive, content_length: bytes = b"0") -> bytes:
        """Return the whole body. `content_length`: its length as the client states it."""
        if content_length.isdigit() and int(content_length) > self.body_bytes:
            raise self._too_long(f"{int(content_length):,} bytes")
        message = await receive()
        # a bytearray, to add a part without a copy of the parts before
        result = bytearray(message.get("body", b""))
        while message.get("more_body"):
            message = await receive()
            result += message.get("body", b"")
            if len(result) > self.body_bytes:
                break
        if len(result) > self.body_bytes:
            raise self._too_long("more")
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "the body ended early; send all of it")
        if b"\\u0000" in result and NUL_ESCAPE.search(result):
            raise ProblemError(
                422,
                r"the body has the character \u0000, which databases cannot store in a text; "
                "send the text without it",
            )
        return bytes(result)

    async def run_urgent(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run work as `run_in_thread` does, on threads for urgent work only."""
        return await self._within(
            asyncio.get_running_loop().run_in_executor(self._urgent, work, *arguments)
        )

    async def run_in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run long work on a thread, so that the event loop continues to serve requests."""
        if self._in_threads >= MAX_THREADS:
            raise busy("aside", f"{MAX_THREADS} long requests are being answered")
        self._in_threads += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        future.add_done_callback(self._done)
        return await self._within(future)

    async def _within(self, future: asyncio.Future[Result]) -> Result:
        try:
            return await asyncio.wait_for(asyncio.shield(future), ANSWER_SECONDS)
        except TimeoutError:
            # read an exception, or asyncio would log that nobody did
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            late = (
                f"the request took more than {ANSWER_SECONDS:g} s and may still complete; "
                "it is safe to send it again"
            )
            raise ProblemError(503, late, retry_after=2, shed="time") from None

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1

    def _too_long(self, given: str) -> ProblemError:
        return ProblemError(
            413,
            f"a body has at most {self.body_bytes:,} bytes, given {given}; send fewer rows "
            f"at a time",
        )


def busy(reason: str, detail: str) -> ProblemError:
    """Return the problem of a request that is shed; `reason` is its label in ml_requests_shed."""
    return ProblemError(
        503, f"too busy: {detail}; nothing was done, try again", retry_after=1, shed=reason
    )
