"""OpenAPI documentation of the routes: bodies with working examples, answers, problems, roles."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ..modes import ModeName
from .middleware import REQUIRED_ROLES
from .mode_state import Source

REFUSALS = {
    400: "not JSON",
    401: "the key is missing, unknown or expired",
    403: "the key does not have the role, or the requested mode is a step up, which is a command",
    413: "the body is too long",
    422: "the body breaks the contract",
    503: "nothing was done; try again after Retry-After seconds",
}

CONFLICTS = {
    "/v1/predict": "an id was used for another row",
    "/v1/outcomes": "an outcome differs from the stored one",
}
ONLY_IF_REPEATED = "present if this id was scored before and the value was another one then"


class Prediction(BaseModel):
    id: str
    score: float
    decision: str | float | None = Field(
        description="null in shadow, also if the first answer was in shadow"
    )
    arm: Literal["explored"] | None = Field(
        default=None, description="present if the case was chosen at random for exploration"
    )
    model_version: str | None = Field(default=None, description=ONLY_IF_REPEATED)
    mode: ModeName | None = Field(default=None, description=ONLY_IF_REPEATED)


class ClassPrediction(Prediction):
    score: float = Field(
        description="the probability of the decided class; that of the most probable class if the "
        "decision is not a class"
    )
    scores: dict[str, float] = Field(description="the probability of each class")


class AnsweredBy(BaseModel):
    model_version: str
    arm: Literal["champion"]
    mode: ModeName


class Predictions(AnsweredBy):
    predictions: list[Prediction]


class ClassPredictions(AnsweredBy):
    predictions: list[ClassPrediction]


class Effect(BaseModel):
    field: str
    given: Any
    typical: Any
    effect: float = Field(description="the score minus the score with the typical value")


class Explanation(BaseModel):
    score: float
    fields: list[Effect] = Field(description="strongest first")


class Explanations(BaseModel):
    model_version: str
    explanations: list[Explanation]


class ClassExplanation(Explanation):
    score: float = Field(description="the probability of the most probable class")
    explained_class: str | int = Field(alias="class", description="the most probable class")


class ClassExplanations(BaseModel):
    model_version: str
    explanations: list[ClassExplanation]


class WriteResult(BaseModel):
    accepted: int
    repeated: int = Field(description="already stored; counted once")
    corrected: int | None = None
    unknown: int = Field(
        description="without a stored prediction yet; stored, and matched when the prediction comes"
    )


class ModeChange(BaseModel):
    mode: ModeName = Field(description="the mode of this replica now")
    by: str
    reason: str
    since: str
    stored: bool = Field(
        description="whether the database has the switch, from which every replica reads it"
    )
    detail: str = Field(description="which replicas have the switch")


class ModelInfo(BaseModel):
    model_version: str
    bundle: str
    kind: str
    mode: ModeName
    mode_source: Source
    mode_unsaved: bool = Field(
        description="whether a switch of this replica is not in the database yet"
    )
    rollback: dict[str, Any] | None = Field(
        description="active rollback of this machine, from a time without the registry"
    )
    caller: str = Field(description="the name of the key of this request")
    roles: list[str] = Field(description="the roles of this key")


class FieldError(BaseModel):
    row: int | None
    field: str | None
    rule: str
    given: Any
    example: Any


class ProblemShape(BaseModel):
    """Problem details of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]


def body_schema(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a body, with a working example."""
    return model.model_json_schema(ref_template="#/components/schemas/{model}") | {
        "example": example
    }


def route_options(
    route: str, body: dict[str, Any] | None, answer: type[BaseModel], *more: int
) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator that document a route.

    `more`: statuses beyond the usual ones.
    """
    refusals: dict[int, str] = {409: CONFLICTS.get(route, ""), **REFUSALS}
    usual = (401, 403, 503) if body is None else tuple(REFUSALS)
    problem = {"model": ProblemShape, "content": {"application/problem+json": {}}}
    responses: dict[int | str, Any] = {200: {"model": answer}}
    responses |= {
        status: {**problem, "description": refusals[status]} for status in (*usual, *more)
    }
    extra: dict[str, Any] = {"security": [{"key": []}], "x-role": REQUIRED_ROLES.get(route, "any")}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"responses": responses, "openapi_extra": extra}
