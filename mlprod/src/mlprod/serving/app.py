"""FastAPI routes and their OpenAPI documentation; handlers stand in modules of their own.

The route of /v1/predict only documents: middleware.py calls its handler without FastAPI.
"""

from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ..contract.schema import ContractSchema
from .api_keys import ApiKeys, Caller
from .explain import ExplainHandler
from .load_shedding import LoadLimits
from .metrics import Metrics
from .middleware import INTERNAL_ERROR, JSON, Headers
from .mode_state import ModeState
from .model_loader import ModelLoader
from .openapi import (
    Explanations,
    ModeChange,
    ModelInfo,
    Predictions,
    WriteResult,
    documented,
    shape_of,
)
from .problems import ProblemError
from .record_routes import RecordRoutes
from .request_models import FEEDBACK, MODE, OUTCOME, Feedbacks, Mode, Outcomes, schema_of
from .switching import Switching

OFF: Any = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)  # tracing.py does it


def create_app(
    title: str,
    terms: ContractSchema,
    models: ModelLoader,
    explain: ExplainHandler,
    remember: RecordRoutes,
    switching: Switching,
    mode_state: ModeState,
    keys: ApiKeys,
    limits: LoadLimits,
    metrics: Metrics,
) -> FastAPI:
    """The routes.

    Where keys are needed /docs is not shown, and /openapi.json asks for a key as every route does.
    """
    subject = (terms.row.__doc__ or "").strip()
    docs = None if keys.path else "/docs"
    app = FastAPI(
        title=title,
        description=subject,
        docs_url=docs,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=OFF,
    )

    @app.exception_handler(ProblemError)
    async def received(_: Request, problem: ProblemError) -> Response:
        metrics.refused(problem)
        return answer(problem.body, problem.status, problem.headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        detail = (
            f"{request.method} {request.url.path[:80]}: {error.detail}; the documentation "
            f"lists what there is"
        )
        problem = ProblemError(error.status_code, detail)
        allowed = [
            (name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()
        ]
        return answer(problem.body, problem.status, [*problem.headers, *allowed])

    @app.exception_handler(Exception)
    async def defect(_: Request, __: Exception) -> Response:
        return answer(INTERNAL_ERROR.body, INTERNAL_ERROR.status, INTERNAL_ERROR.headers)

    async def body_of(request: Request) -> bytes:
        return await limits.body(
            request.receive, request.headers.get("content-length", "0").encode()
        )

    rows = schema_of(terms)

    @app.post(
        "/v1/predict",
        summary="Score 1 to 1,000 rows",
        **documented("/v1/predict", rows, Predictions, 409),
    )
    async def _predict(_: Request) -> Response:
        # Documents the route and nothing else: middleware.Service hands POST /v1/predict to
        # predict_handler.Predict
        # before any route is looked for. No docstring, since FastAPI would show it to callers.
        raise RuntimeError(
            "POST /v1/predict came to a route that only documents it; middleware.Service answers it"
        )

    @app.post(
        "/v1/explain",
        summary="Score rows and rank their fields by effect",
        **documented("/v1/explain", rows, Explanations),
    )
    async def _explain(request: Request) -> Response:
        return answer(await limits.run_in_thread(explain.answer, await body_of(request)))

    @app.post(
        "/v1/outcomes",
        summary="Tell what became of cases",
        **documented("/v1/outcomes", shape_of(Outcomes, {"outcomes": [OUTCOME]}), WriteResult, 409),
    )
    async def _outcomes(request: Request) -> Response:
        return answer(
            await limits.run_in_thread(remember.outcomes, await body_of(request), *sender(request))
        )

    @app.post(
        "/v1/feedback",
        summary="Tell what people did",
        **documented("/v1/feedback", shape_of(Feedbacks, {"feedback": [FEEDBACK]}), WriteResult),
    )
    async def _feedback(request: Request) -> Response:
        return answer(
            await limits.run_in_thread(remember.feedback, await body_of(request), *sender(request))
        )

    @app.post(
        "/v1/mode",
        summary="Switch the mode; shadow is the stop",
        **documented("/v1/mode", shape_of(Mode, MODE), ModeChange),
    )
    async def _mode(request: Request) -> Response:
        return answer(
            await limits.run_urgent(switching.answer, await body_of(request), *sender(request))
        )

    @app.get(
        "/v1/model",
        summary="What answers now, and what was refused",
        **documented("/v1/model", None, ModelInfo),
    )
    async def _model(request: Request) -> Response:
        caller, _ = sender(request)
        holds = {
            "mode": mode_state.mode,
            "mode_source": mode_state.source,
            "mode_unsaved": mode_state.unsaved,
        }
        made_here = models.rollback and models.rollback.model_dump()
        asks = {"caller": caller.name, "roles": sorted(caller.roles)}
        facts = (
            models.required().told()
            | holds
            | {"refused": models.refusal, "rollback": made_here}
            | asks
        )
        return answer(to_json(facts))

    app.openapi = lambda: described(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made when it is first asked for."""
    if not app.openapi_schema:
        app.openapi_schema = FastAPI.openapi(app)
        app.openapi_schema["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"}
        }
    return app.openapi_schema


def sender(request: Request) -> tuple[Caller, str]:
    """Who sent a request, and its id."""
    return request.state.caller, request.state.request


def answer(body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
    response = Response(body, status)
    response.raw_headers += JSON if headers is None else headers
    return response
