"""FastAPI routes and their OpenAPI documentation; the handlers are in modules of their own.

The route of /v1/predict is documentation only. middleware.py calls its handler without FastAPI.
"""

from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ..contract.schema import ContractSchema
from .api_keys import ApiKeys, Caller
from .class_outcomes import ClassOutcomes, class_examples
from .explain import ExplainHandler
from .load_shedding import LoadLimits
from .metrics import Metrics
from .middleware import INTERNAL_ERROR, JSON
from .mode_state import ModeState
from .model_loader import ModelLoader
from .openapi import (
    ClassExplanations,
    ClassPredictions,
    Explanations,
    ModeChange,
    ModelInfo,
    Predictions,
    WriteResult,
    body_schema,
    route_options,
)
from .problems import ProblemError
from .record_routes import RecordRoutes
from .request_head import Headers
from .request_models import FEEDBACK, MODE, OUTCOME, Feedbacks, Mode, Outcomes, schema_of
from .switching import ModeHandler

# FastAPI's own telemetry is off, because tracing.py creates the spans.
NO_TELEMETRY: Any = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)


def create_app(
    title: str,
    terms: ContractSchema,
    models: ModelLoader,
    explain: ExplainHandler,
    records: RecordRoutes,
    mode_handler: ModeHandler,
    mode_state: ModeState,
    keys: ApiKeys,
    limits: LoadLimits,
    metrics: Metrics,
) -> FastAPI:
    """Create the application with all routes.

    With keys, /docs is off, and /openapi.json requires a key as every route does.
    """
    subject = (terms.row.__doc__ or "").strip()
    docs = None if keys.path else "/docs"
    app = FastAPI(
        title=title,
        description=subject,
        docs_url=docs,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )

    @app.exception_handler(ProblemError)
    async def rejected(_: Request, problem: ProblemError) -> Response:
        metrics.count_shed(problem)
        return json_response(problem.body, problem.status, problem.headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        detail = (
            f"{request.method} {request.url.path[:80]}: {error.detail}; the documentation "
            f"lists the routes"
        )
        problem = ProblemError(error.status_code, detail)
        allowed = [
            (name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()
        ]
        return json_response(problem.body, problem.status, [*problem.headers, *allowed])

    @app.exception_handler(Exception)
    async def internal_error(_: Request, __: Exception) -> Response:
        return json_response(INTERNAL_ERROR.body, INTERNAL_ERROR.status, INTERNAL_ERROR.headers)

    async def body_of(request: Request) -> bytes:
        return await limits.body(
            request.receive, request.headers.get("content-length", "0").encode()
        )

    rows, classes = schema_of(terms), terms.classes
    outcomes = (
        body_schema(ClassOutcomes, {"outcomes": class_examples(classes)["outcomes"]})
        if classes
        else body_schema(Outcomes, {"outcomes": [OUTCOME]})
    )

    @app.post(
        "/v1/predict",
        summary="Score 1 to 1,000 rows",
        **route_options("/v1/predict", rows, ClassPredictions if classes else Predictions, 409),
    )
    async def _predict(_: Request) -> Response:
        # This route is documentation only. middleware.GatewayApp calls PredictHandler for
        # POST /v1/predict before FastAPI searches a route. There is no docstring, because FastAPI
        # would show it to callers.
        raise RuntimeError(
            "POST /v1/predict reached the route that only documents it; "
            "middleware.GatewayApp serves this route"
        )

    @app.post(
        "/v1/explain",
        summary="Score rows and rank their fields by effect",
        **route_options("/v1/explain", rows, ClassExplanations if classes else Explanations),
    )
    async def _explain(request: Request) -> Response:
        return json_response(await limits.run_in_thread(explain.answer, await body_of(request)))

    @app.post(
        "/v1/outcomes",
        summary="Report outcomes of cases",
        **route_options("/v1/outcomes", outcomes, WriteResult, 409),
    )
    async def _outcomes(request: Request) -> Response:
        body = await body_of(request)
        return json_response(
            await limits.run_in_thread(records.outcomes, body, *caller_and_request(request))
        )

    @app.post(
        "/v1/feedback",
        summary="Report what people did with decisions",
        **route_options(
            "/v1/feedback", body_schema(Feedbacks, {"feedback": [FEEDBACK]}), WriteResult
        ),
    )
    async def _feedback(request: Request) -> Response:
        body = await body_of(request)
        return json_response(
            await limits.run_in_thread(records.feedback, body, *caller_and_request(request))
        )

    @app.post(
        "/v1/mode",
        summary="Switch the mode; shadow is the kill switch",
        **route_options("/v1/mode", body_schema(Mode, MODE), ModeChange),
    )
    async def _mode(request: Request) -> Response:
        body = await body_of(request)
        return json_response(
            await limits.run_urgent(mode_handler.answer, body, *caller_and_request(request))
        )

    @app.get(
        "/v1/model",
        summary="Show the model in service, the mode and the last refused model",
        **route_options("/v1/model", None, ModelInfo),
    )
    async def _model(request: Request) -> Response:
        caller, _ = caller_and_request(request)
        mode = {
            "mode": mode_state.mode,
            "mode_source": mode_state.source,
            "mode_unsaved": mode_state.unsaved,
        }
        made_here = models.rollback and models.rollback.model_dump()
        key = {"caller": caller.name, "roles": sorted(caller.roles)}
        facts = (
            models.get_or_503().description()
            | mode
            | {"refused": models.refusal, "rollback": made_here}
            | key
        )
        return json_response(to_json(facts))

    # FastAPI documents this assignment as the way to extend the document.
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, which is created at the first call."""
    if not app.openapi_schema:
        app.openapi_schema = FastAPI.openapi(app)
        app.openapi_schema["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"}
        }
    return app.openapi_schema


def caller_and_request(request: Request) -> tuple[Caller, str]:
    """Return the caller of a request and the id of the request."""
    return request.state.caller, request.state.request


def json_response(body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
    """Return a response with this body; its content type is JSON unless `headers` are given."""
    response = Response(body, status)
    response.raw_headers += JSON if headers is None else headers
    return response
