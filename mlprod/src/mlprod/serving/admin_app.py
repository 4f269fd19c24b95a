"""Application of the admin port: health checks and metrics, without keys.

Callers of the API must not reach this port.
"""

import asyncio
import json
import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .metrics import Metrics
from .middleware import App
from .problems import ProblemError
from .readiness import Readiness
from .same_origin import SameOrigin

# The pause after a scrape, as a multiple of its duration. The processor is for callers then.
PAUSE_FACTOR = 4


def create_admin_app(readiness: Readiness, metrics: Metrics, origin: SameOrigin | None) -> App:
    """Create the application of the admin port.

    /healthz: the event loop runs. /readyz: this replica should get traffic. /metrics: the metrics
    for Prometheus. `origin` refuses web pages, where only this machine reaches the port.
    """

    async def healthz(_: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        return _json(*readiness.state())

    turn, free_at = asyncio.Lock(), 0.0

    async def scrape(_: Request) -> Response:
        nonlocal free_at
        async with turn:
            await asyncio.sleep(max(0.0, free_at - time.monotonic()))
            began = time.monotonic()
            content = metrics.exposition(ending=readiness.is_draining())
            free_at = time.monotonic() + PAUSE_FACTOR * (time.monotonic() - began)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    routes = Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)]
    )

    async def guarded(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        app: App = routes
        if origin and scope["type"] == "http":
            try:
                origin.check(scope["method"], dict(scope["headers"]))
            except ProblemError as problem:
                app = Response(problem.body, problem.status, media_type="application/problem+json")
        await app(scope, receive, send)

    return guarded


def _json(status: int, facts: dict[str, object]) -> Response:
    return Response(json.dumps(facts), status, media_type="application/json")
