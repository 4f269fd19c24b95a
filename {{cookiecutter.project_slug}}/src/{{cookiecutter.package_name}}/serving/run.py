"""Start the service: a follower beside it brings what is promoted, uvicorn answers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn

from ..contract.terms import read_terms
from ..domain import contract, decision
from ..settings import PACKAGE, Settings
from .app import build_app


def serve(settings: Settings, follower: bool = True) -> None:
    """Answer until stopped. With `follower`, another process keeps MODEL_DIR at the registry's champion; the service
    goes on without it."""
    app = build_app(read_terms(contract), decision.baseline, decision.decide, settings)
    with following() if follower else nullcontext():
        print(f"answering at http://{settings.host}:{settings.port}, documentation at /docs", flush=True)
        uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


@contextmanager
def following() -> Iterator[None]:
    """The follower as a process of its own: what trains never enters the one that answers.

    It ends when its standard input does, so it dies with the service however the service dies.
    """
    with subprocess.Popen([sys.executable, "-m", PACKAGE, "sync", "--follow-parent"], stdin=subprocess.PIPE):
        yield
