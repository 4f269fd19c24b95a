"""The follower: a process that fetches promoted models for the service."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .logs import log

RESTART_SECONDS = 2.0  # until an ended follower is started again


@contextmanager
def run_follower(package: str) -> Iterator[None]:
    """Run the follower in a process of its own, so that the service imports nothing that trains.

    The follower ends when its standard input closes, so it ends with the service in every case. If
    only the follower ends, it is started again.
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
            if not stop.wait(RESTART_SECONDS):
                log.warning(
                    f"the follower ended with exit code {process.returncode}; starting it again"
                )

    keeper = threading.Thread(target=keep, name="keep-follower", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(10)
