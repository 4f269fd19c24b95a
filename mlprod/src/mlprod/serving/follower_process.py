"""The process that brings promoted models to the service."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .logs import log

PAUSE = 2.0  # seconds before a follower that ended is started again


@contextmanager
def run_follower(package: str) -> Iterator[None]:
    """The follower as a process of its own: what trains never enters the one that answers.

    It ends when its standard input does, so it dies with the service, however the service dies.
    Started again when it dies alone.
    """
    stop = threading.Event()

    def keep() -> None:
        while not stop.is_set():
            with subprocess.Popen(
                [sys.executable, "-m", package, "fetch-model", "--follow-parent"],
                stdin=subprocess.PIPE,
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
