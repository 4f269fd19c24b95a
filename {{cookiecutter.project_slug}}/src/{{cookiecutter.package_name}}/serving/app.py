"""The API: predict, explain, model, health, metrics."""

import json
import threading
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from starlette.exceptions import HTTPException

from ..bundle.runtime import Scores
from ..contract.documentation import example
from ..contract.terms import Columns, Terms
from ..settings import Settings
from .answers import decisions, reasons
from .metrics import Metrics
from .models import Models
from .problems import problem, refused

MOST_ROWS = 1_000
ARM = "champion"


def build_app(
    terms: Terms, baseline: Callable[[Columns], Scores], decide: Callable[[float, float], Any], settings: Settings
) -> FastAPI:
    """The application for a contract. It answers as soon as MODEL_DIR holds a bundle that verifies."""
    metrics = Metrics()
    models = Models(settings.models, terms.fields, baseline, metrics, settings.allow_pickle)
    row, adapter = request_of(terms)
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(terms, row)}}}}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        models.look()
        threading.Thread(target=models.watch, args=(stop,), daemon=True, name="watch-models").start()
        yield
        stop.set()

    app = FastAPI(title=settings.model_name, description=(terms.row.__doc__ or "").strip(), lifespan=lifespan)
    app.state.models = models

    @app.middleware("http")
    async def count(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        try:
            response = await call_next(request)
        except Exception:
            traceback.print_exc()
            response = problem(500, "the service failed and answered nothing; its log says why")
        route = getattr(request.scope.get("route"), "path", "unknown")
        metrics.requests.labels(route, str(response.status_code)).inc()
        metrics.duration.labels(route).observe(time.perf_counter() - started)
        return response

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}; see /docs")

    @app.post("/v1/predict", openapi_extra=body, summary="Score 1 to 1,000 rows")
    async def predict(request: Request) -> Response:
        if (serving := models.current) is None:
            return no_model(models)
        try:
            rows = adapter.validate_json(await request.body()).rows
        except ValidationError as error:
            return refused(error, terms.fields)
        answers = []
        for given, (score, decision) in zip(rows, decisions(serving.bundle, rows, decide), strict=True):
            shown = None if settings.mode == "shadow" else decision
            answers.append({"id": given.id or uuid.uuid4().hex, "score": score, "decision": shown})
            label = decision if isinstance(decision, str) else "number"
            metrics.predictions.labels(serving.version, ARM, label).inc()
        return answer({"model_version": serving.version, "arm": ARM, "mode": settings.mode, "predictions": answers})

    @app.post("/v1/explain", openapi_extra=body, summary="Score rows and rank their fields by effect")
    async def explain(request: Request) -> Response:
        if (serving := models.current) is None:
            return no_model(models)
        try:
            rows = adapter.validate_json(await request.body()).rows
        except ValidationError as error:
            return refused(error, terms.fields)
        told = [{"score": score, "fields": ranked} for score, ranked in reasons(serving.bundle, rows)]
        return answer({"model_version": serving.version, "explanations": told})

    @app.get("/v1/model", summary="What answers now, and what was refused")
    async def model() -> Response:
        if (serving := models.current) is None:
            return no_model(models)
        facts = serving.bundle.manifest.model_dump(
            mode="json", include={"kind", "task", "runtime", "threshold", "accountable", "data", "metrics", "inputs"}
        )
        return answer(
            {"model_version": serving.version, "bundle": serving.bundle.digest, **facts, "refused": models.refusal}
        )

    @app.get("/healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="A model answers")
    async def readyz() -> Response:
        return (
            answer({"status": "ready", "model_version": models.current.version}) if models.current else no_model(models)
        )

    @app.get("/metrics", include_in_schema=False)
    async def scrape() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def request_of(terms: Terms) -> tuple[type[BaseModel], TypeAdapter[Any]]:
    """The row of a request (the contract's fields, an id and a unit), and the validator of a whole body."""
    row: Any = create_model(
        "Row",
        __base__=terms.row,
        id=(str | None, Field(default=None, min_length=1, max_length=128, description="your id, for safe retries")),
        unit=(
            str | None,
            Field(default=None, max_length=128, description="who or what the row is about, for a sticky arm"),
        ),
    )
    strict = ConfigDict(strict=True, extra="forbid")
    rows = (list[row], Field(min_length=1, max_length=MOST_ROWS))
    return row, TypeAdapter(create_model("Rows", __config__=strict, rows=rows))


def schema_of(terms: Terms, row: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of a body, with an example that works."""
    rows = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": row.model_json_schema()}
    shown = {"rows": [{field.name: example(field) for field in terms.fields}]}
    return {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {"rows": rows},
        "example": shown,
    }


def answer(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content, allow_nan=False, default=_plain), media_type="application/json")


def _plain(value: Any) -> Any:
    """A decision may be a numpy scalar."""
    return value.item()


def no_model(models: Models) -> Response:
    why = f"; version {models.refusal['version']} was refused: {models.refusal['detail']}" if models.refusal else ""
    return problem(503, f"no model answers yet{why}; promote one and it arrives by itself", retry_after=2)
