"""Start the service: one port for callers, one for those who run it, and a follower that brings
what is promoted.
"""

import asyncio
import gc
import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import Any

import uvicorn

from ..project.project import Project
from ..settings import Settings
from .api import read_api
from .connection_limits import MAX_ADMIN_CONNECTIONS, LimitedProtocol
from .connection_places import Places
from .follower_process import run_follower
from .logs import logging_to_output
from .port_servers import AdminServer, ApiServer
from .preconditions import allow_connections, require_free_port, require_keys
from .tracing import traced

LAST_SECONDS = 10  # for requests that are being answered when the service ends
ADMIN_KEEP_ALIVE = (
    5  # seconds for an idle connection to the second port, whose callers connect again without harm
)


def serve(project: Project, settings: Settings, follower: bool = True) -> None:
    """Answer until stopped.

    With `follower`, another process keeps MODEL_DIR at the registry's champion; the service goes on
    without it.

    Raises KeysError when callers need keys and there are none, SpoolError when nothing can be
    written down, PortInUseError.
    """
    require_keys(settings)
    os.umask(0o077)  # what this process writes concerns nobody else on this machine
    sys.setswitchinterval(0.0005)  # the thread that ships must not keep an answer waiting for 5 ms
    places, admin_places = (
        Places(allow_connections()),
        Places(MAX_ADMIN_CONNECTIONS, cuts_answers=True),
    )
    require_free_port("ML_PORT", settings.host, settings.port)
    require_free_port("ML_ADMIN_PORT", settings.admin_host, settings.admin_port)
    assembly = read_api(project.package).assembly
    common: dict[str, Any] = {
        "host": settings.host,
        "log_config": None,
        "access_log": False,
        "server_header": False,
    }
    common |= {
        "proxy_headers": False,
        "ws": "none",
    }  # nothing here asks who is behind a proxy, or speaks WebSocket
    assembly.models.trials.fork = (
        True  # nothing else runs here yet, so a first model is tried within milliseconds
    )
    assembly.models.look()
    assembly.models.trials.fork = False
    app = traced(assembly.service, settings.model_name)
    near = uvicorn.Config(
        assembly.operations,
        port=settings.admin_port,
        lifespan="off",
        timeout_keep_alive=ADMIN_KEEP_ALIVE,
        timeout_graceful_shutdown=1,
        **common | {"host": settings.admin_host, "http": partial(LimitedProtocol, admin_places)},
    )
    far = uvicorn.Config(
        app,
        port=settings.port,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=LAST_SECONDS,
        **common | {"http": partial(LimitedProtocol, places)},
    )
    servers = (
        ApiServer(far, places, assembly, settings.drain_seconds),
        AdminServer(near, admin_places, assembly.metrics),
    )
    gc.collect()
    # what lives until the end need not be searched for garbage again, while callers wait
    gc.freeze()
    beside = run_follower(project.package) if follower else nullcontext()
    with logging_to_output(), beside, asyncio.Runner(loop_factory=far.get_loop_factory()) as runner:
        runner.run(_serve(*servers))


async def _serve(public: uvicorn.Server, private: uvicorn.Server) -> None:
    beside = asyncio.create_task(private.serve())
    await public.serve()
    private.should_exit = True
    await beside
