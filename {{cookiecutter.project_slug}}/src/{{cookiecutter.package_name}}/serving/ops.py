"""The second port, for those who run the service: health and metrics, without keys and out of callers' reach."""

import json
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .metrics import Metrics
from .mode_state import ModeState
from .models import Models
from .problems import Problem


def operations(models: Models, mode_state: ModeState, metrics: Metrics, draining: Callable[[], bool]) -> Starlette:
    """/healthz: the event loop comes round. /readyz: a model answers, the mode is known as well as it can be, and the
    service is not about to end. /metrics: for Prometheus."""

    async def healthz(_: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            version = models.required().version
        except Problem as problem:
            return _json(503, {"status": "no model", "detail": problem.detail})
        if not mode_state.looked:
            return _json(503, {"status": "starting", "detail": "the mode was not looked up yet"})
        if draining():
            return _json(503, {"status": "ending"})
        holds = {"mode": mode_state.mode, "mode_source": mode_state.source, "mode_unsaved": mode_state.unsaved}
        return _json(200, {"status": "ready", "model_version": version, **holds})

    async def scrape(_: Request) -> Response:
        return Response(metrics.exposition(ending=draining()), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)])


def _json(status: int, said: dict[str, object]) -> Response:
    return Response(json.dumps(said), status, media_type="application/json")
