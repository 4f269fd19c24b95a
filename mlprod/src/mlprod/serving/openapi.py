"""What the documentation says of the routes: bodies with examples that work, answers, refusals,
roles.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ..modes import ModeName
from .middleware import REQUIRED_ROLES
from .mode_state import Source

REFUSALS = {
    400: "not JSON",
    401: "no key, or none that holds today",
    403: "the key has not the role, or the mode asked for is a step up, which is a command",
    413: "the body is too long",
    422: "the body breaks the contract",
    503: "nothing was done; try again after Retry-After seconds",
}

CONFLICTS = {
    "/v1/predict": "an id was answered for another row",
    "/v1/outcomes": "an outcome differs from the one that is known",
}
SAME_AGAIN = "there when this row was answered before under its id, and this differed then"


class Prediction(BaseModel):
    id: str
    score: float
    decision: str | float | None = Field(
        description="null in shadow, also in that of a first answer"
    )
    arm: Literal["explored"] | None = Field(
        default=None, description="there when the case was let through by lot"
    )
    model_version: str | None = Field(default=None, description=SAME_AGAIN)
    mode: ModeName | None = Field(default=None, description=SAME_AGAIN)


class Predictions(BaseModel):
    model_version: str
    arm: Literal["champion"]
    mode: ModeName
    predictions: list[Prediction]


class Effect(BaseModel):
    field: str
    given: Any
    typical: Any
    effect: float = Field(description="the score less the score that the typical value would give")


class Explanation(BaseModel):
    score: float
    fields: list[Effect] = Field(description="strongest first")


class Explanations(BaseModel):
    model_version: str
    explanations: list[Explanation]


class WriteResult(BaseModel):
    accepted: int
    repeated: int = Field(description="known already; taken once")
    corrected: int | None = None
    unknown: int = Field(
        description="no such prediction is known yet; kept, and matched when it comes"
    )


class ModeChange(BaseModel):
    mode: ModeName = Field(description="what holds in this replica now")
    by: str
    reason: str
    since: str
    stored: bool = Field(
        description="whether the database has the switch, from where every replica takes it"
    )
    detail: str = Field(description="whom the switch has reached, in words")


class ModelInfo(BaseModel):
    model_version: str
    bundle: str
    kind: str
    mode: ModeName
    mode_source: Source
    mode_unsaved: bool = Field(
        description="whether a switch that was made here is not in the database yet"
    )
    rollback: dict[str, Any] | None = Field(
        description="one that was made here while the registry was away"
    )
    caller: str = Field(description="the name of the key that asks")
    roles: list[str] = Field(description="what this key may do")


class FieldError(BaseModel):
    row: int | None
    field: str | None
    rule: str
    given: Any
    example: Any


class ProblemShape(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]


def shape_of(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of a body, with an example that works."""
    return model.model_json_schema(ref_template="#/components/schemas/{model}") | {
        "example": example
    }


def documented(
    route: str, body: dict[str, Any] | None, answer: type[BaseModel], *more: int
) -> dict[str, Any]:
    """The arguments of a route that say what it takes and gives.

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
