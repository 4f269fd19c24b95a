"""Dates and datetimes in requests: ISO 8601 texts, by the rules of every other source of rows."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic import Field as PydanticField
from pydantic_core import PydanticCustomError

from ..contract.dates import DATE_EXAMPLES, number_of, parse_date, parse_datetime
from ..contract.documentation import bound_text, example_value, rule_text
from ..contract.schema import Field, Fields

TYPES: dict[str, Any] = {"date": date, "datetime": datetime}
PARSERS: dict[str, Callable[[str], date]] = {"date": parse_date, "datetime": parse_datetime}


def date_fields(fields: Fields) -> dict[str, Any]:
    """Return the definitions of the date and datetime fields of a request, for create_model().

    Pydantic reads a text of digits as seconds, and refuses to compare times with and without a time
    zone. So these fields are read here.
    """
    return {field.name: _definition(field) for field in fields if field.kind in DATE_EXAMPLES}


def _definition(field: Field) -> tuple[Any, Any]:
    type = TYPES[field.kind]
    settings: dict[str, Any] = {
        "description": f"{field.description} ({rule_text(field)})",
        "examples": [example_value(field)],
    }
    if field.optional:
        settings["default"] = None
    return (
        Annotated[type | None if field.optional else type, BeforeValidator(_reader(field))],
        PydanticField(**settings),
    )


def _reader(field: Field) -> Callable[[Any], date | None]:
    low, high = field.bounds or (float("-inf"), float("inf"))
    parse, example = PARSERS[field.kind], DATE_EXAMPLES[field.kind]

    def read(given: Any) -> date | None:
        if given is None and field.optional:
            return None
        if not isinstance(given, str):
            raise PydanticCustomError(
                f"{field.kind}_type",
                "Input should be a text such as {example}",
                {"example": example},
            )
        try:
            value = parse(given)
        except ValueError as error:
            raise PydanticCustomError(
                f"{field.kind}_parsing",
                "Input is {reason}",
                {"reason": str(error)},
            ) from None
        number = number_of(value)
        if number < low:
            limit = {"limit": bound_text(field, low)}
            raise PydanticCustomError(
                "greater_than_equal", "Input should not be before {limit}", limit
            )
        if number > high:
            limit = {"limit": bound_text(field, high)}
            raise PydanticCustomError("less_than_equal", "Input should not be after {limit}", limit)
        return value

    return read
