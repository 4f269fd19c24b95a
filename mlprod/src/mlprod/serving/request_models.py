"""Models of request bodies: rows of the contract, outcomes, feedback, a mode."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    create_model,
)

from ..contract.documentation import example_value
from ..contract.fields import MAX_ID_LENGTH, MAX_NUMBER
from ..contract.schema import ContractSchema
from ..modes import ModeName
from ..records.outcome_stats import Verdict
from .date_fields import date_fields

MAX_ROWS = 1_000
EARLIEST = datetime(1970, 1, 1)  # UTC without a zone, as in the records
CLOCK_SKEW = timedelta(hours=1)  # that a caller's clock may be ahead of this one
Value = TypeVar("Value")
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]


def in_utc(at: datetime) -> datetime:
    """Return a time in UTC without a zone, as in the records.

    Raises ValueError if the time is outside the calendar in UTC.
    """
    try:
        return at.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("this time is outside the calendar in UTC") from None


def require_plausible(at: datetime) -> datetime:
    """Return the time. Raises ValueError unless it is between 1970 and now, plus CLOCK_SKEW."""
    if not EARLIEST <= at <= datetime.now(UTC).replace(tzinfo=None) + CLOCK_SKEW:
        raise ValueError("the time must be between 1970 and now; a clock may be an hour ahead")
    return at


def number_as_text(given: Any) -> Any:
    """Return a number as text: 66 becomes "66". Everything else is returned as it is."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return str(given) if is_number else given


class Body(BaseModel):
    """Base of all bodies: strict types, no extra keys, no infinite numbers."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class OutcomeOf(Body, Generic[Value]):
    """Outcome of a case, a value of one type."""

    prediction_id: Id
    outcome: Value
    at: Annotated[AwareDatetime, AfterValidator(in_utc), AfterValidator(require_plausible)] = Field(
        description="when it became known, with a time zone: not before 1970, nor in the future"
    )
    correction: bool = Field(
        default=False, description="true replaces the stored outcome of this prediction"
    )


NumericOutcome = Annotated[
    float,
    Field(
        ge=-MAX_NUMBER,
        le=MAX_NUMBER,
        description="0 or 1 for a classifier, a number for a regressor",
    ),
]


class Outcome(OutcomeOf[NumericOutcome]):
    """Outcome of a case."""


class Feedback(Body):
    """What a person did with a decision."""

    prediction_id: Id
    verdict: Verdict
    # A regression's decision is a number, which the caller may send back as it came.
    decision_taken: Annotated[str | None, BeforeValidator(number_as_text)] = Field(
        default=None, pattern="^[A-Za-z0-9_.-]{1,40}$", description="a category or a number"
    )
    reason: str | None = Field(
        default=None,
        pattern="^[a-z0-9_-]{1,40}$",
        description="a category of your own list, not a free text",
    )
    reviewer: str = Field(
        min_length=1,
        max_length=128,
        description="stored only as a pseudonym, which changes each month",
    )
    handling_seconds: float | None = Field(default=None, ge=0, le=86_400)


class Mode(Body):
    """Switch of the mode. The mode shadow is the kill switch."""

    mode: ModeName
    reason: str = Field(min_length=3, max_length=500)


class Outcomes(Body):
    outcomes: list[Outcome] = Field(min_length=1, max_length=MAX_ROWS)


class Feedbacks(Body):
    feedback: list[Feedback] = Field(min_length=1, max_length=MAX_ROWS)


EXAMPLES: dict[str, Any] = {
    "prediction_id": "5f2b8c1e9d3a4f60b7c8d9e0f1a2b3c4",
    "outcome": 1,
    "at": "2026-01-31T12:00:00Z",
    "correction": False,
    "verdict": "overridden",
    "decision_taken": "approve",
    "reason": "known-customer",
    "reviewer": "desk-7",
    "handling_seconds": 40,
    "mode": "shadow",
}
OUTCOME = {name: EXAMPLES[name] for name in ("prediction_id", "outcome", "at")}
FEEDBACK = {
    name: EXAMPLES[name]
    for name in ("prediction_id", "verdict", "decision_taken", "reason", "reviewer")
}
EXAMPLES |= {
    "outcomes": [OUTCOME],
    "feedback": [FEEDBACK],
    "id": "order-4711",
    "unit": "customer-42",
}
MODE = {"mode": "shadow", "reason": "complaints since noon"}


def validator_of(terms: ContractSchema) -> Callable[[bytes], Any]:
    """Return the validator of a body of rows.

    The validator returns an object with `rows`. It raises ValidationError if the body is invalid.
    """
    row: Any = row_of(terms)
    some: Any = (list[row], Field(min_length=1, max_length=MAX_ROWS))
    adapter: TypeAdapter[Any] = TypeAdapter(create_model("Rows", __base__=Body, rows=some))
    return adapter.validator.validate_json


def row_of(terms: ContractSchema) -> type[BaseModel]:
    """Return the model of a row: the contract's fields, an id and a unit."""
    subject: Any = {
        name: (
            str | None,
            Field(default=None, min_length=1, max_length=MAX_ID_LENGTH, description=meaning),
        )
        for name, meaning in (
            ("id", "your id, for safe retries"),
            ("unit", "the person or thing that the row is about"),
        )
    }
    return create_model("Row", __base__=terms.row, **date_fields(terms.fields), **subject)


def schema_of(terms: ContractSchema) -> dict[str, Any]:
    """Return the JSON schema of a body of rows, with a working example."""
    rows = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ROWS,
        "items": row_of(terms).model_json_schema(),
    }
    shown = {"rows": [{field.name: example_value(field) for field in terms.fields}]}
    return {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {"rows": rows},
        "example": shown,
    }
