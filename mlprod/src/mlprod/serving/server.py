"""Start of the service: API port, admin port, and a follower that fetches promoted models."""

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

LAST_SECONDS = 10  # for active requests when the service ends
# Seconds of an idle connection to the admin port. Its callers can simply connect again.
ADMIN_KEEP_ALIVE = 5


def serve(project: Project, settings: Settings, follower: bool = True) -> None:
    """Run the service until it is stopped.

    With `follower`, another process keeps MODEL_DIR at the registry's champion. The service
    continues without it.

    Raises KeysError if callers need keys and there are none, EventLogError if the event log cannot
    be written, PortInUseError if a port is in use.
    """
    require_keys(settings)
    # no other user of this machine may read the files of this process
    os.umask(0o077)
    # the shipping thread must not delay an answer by 5 ms, the default of Python
    sys.setswitchinterval(0.0005)
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
    # the service does not read the client address behind a proxy, and has no WebSocket
    common |= {"proxy_headers": False, "ws": "none"}
    # A fork is safe here, because no thread runs yet. It tries the first model in milliseconds.
    assembly.models.trials.fork = True
    assembly.models.reload_if_changed()
    assembly.models.trials.fork = False
    app = traced(assembly.service, settings.model_name)
    admin = uvicorn.Config(
        assembly.operations,
        port=settings.admin_port,
        lifespan="off",
        timeout_keep_alive=ADMIN_KEEP_ALIVE,
        timeout_graceful_shutdown=1,
        **common | {"host": settings.admin_host, "http": partial(LimitedProtocol, admin_places)},
    )
    api = uvicorn.Config(
        app,
        port=settings.port,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=LAST_SECONDS,
        **common | {"http": partial(LimitedProtocol, places)},
    )
    servers = (
        ApiServer(api, places, assembly, settings.drain_seconds),
        AdminServer(admin, admin_places, assembly.metrics),
    )
    gc.collect()
    # garbage collection skips the objects that live until the end, so that callers do not wait
    gc.freeze()
    process = run_follower(project.package) if follower else nullcontext()
    with (
        logging_to_output(),
        process,
        asyncio.Runner(loop_factory=api.get_loop_factory()) as runner,
    ):
        runner.run(_serve(*servers))


async def _serve(api: uvicorn.Server, admin: uvicorn.Server) -> None:
    admin_task = asyncio.create_task(admin.serve())
    await api.serve()
    admin.should_exit = True
    await admin_task
