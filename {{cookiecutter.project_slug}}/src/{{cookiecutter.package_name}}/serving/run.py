"""Start the service: a follower beside it brings what is promoted, uvicorn answers."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn

from ..contract.terms import read_terms
from ..domain import contract, decision
from ..settings import PACKAGE, Settings
from .app import build_app

PAUSE = 2.0  # seconds before a follower that ended is started again


def serve(settings: Settings, follower: bool = True) -> None:
    """Answer until stopped. With `follower`, another process keeps MODEL_DIR at the registry's champion; the service
    goes on without it."""
    app = build_app(read_terms(contract), decision.baseline, decision.decide, settings)
    config = uvicorn.Config(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)
    with following() if follower else nullcontext():
        Server(config).run()


class Server(uvicorn.Server):
    """Says where it answers, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            print(f"answering at http://{self.config.host}:{self.config.port}, documentation at /docs", flush=True)


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
                print(f"follower: ended with {process.returncode}; starting it again", flush=True)

    keeper = threading.Thread(target=keep, name="keep-follower", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(10)
