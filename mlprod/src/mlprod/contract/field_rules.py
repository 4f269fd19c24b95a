"""Read one field of a contract class, by an allow-list of types, limits and categories."""

import math
import types
import unicodedata
from datetime import date, datetime
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .allowed import field_violation, limits
from .dates import number_of
from .fields import (
    EXACT_IN_FLOAT32,
    MAX_NUMBER,
    MAX_TEXT_LENGTH,
    RESERVED,
    ContractError,
    Field,
    Kind,
)
from .words import find_look_alikes, join_shortened

# Invisible characters that Persian and Hindi need within words.
JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def read_field(name: str, info: FieldInfo) -> Field:
    """Read a field for the data check, the encoding and the documentation.

    Raises ContractError if the field is not among those that all three support.
    """
    if name.casefold() in RESERVED:
        raise ContractError(
            f"field {name!r}: a request uses this name beside the fields; works: rename the field"
        )
    if not info.description:
        raise ContractError(f'field {name!r} has no description; works: add description="..."')
    base, optional = _without_none(info.annotation)
    if get_origin(base) is Literal:
        _require_categories(name, get_args(base))
    if optional and info.is_required():
        raise ContractError(
            f"field {name!r} may be None but has no default; works: Field(default=None, ...)"
        )
    if not info.is_required() and info.get_default() is not None:
        raise ContractError(
            f"field {name!r}: default={info.get_default()!r} would be filled into a request and "
            f"never into a table; works: leave it out, or write `| None` and "
            f"Field(default=None, ...) for a value that may be missing"
        )
    if not optional and not info.is_required() and info.default_factory is None:
        raise ContractError(
            f"field {name!r} has default=None and may not be None; works: `{_type_of(info)} | None`"
        )
    if violation := field_violation(info):
        raise ContractError(f"field {name!r}: {violation}")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if not isinstance(unit := extra.get("unit", ""), str):
        raise ContractError(
            f"field {name!r}: unit={unit!r} is not a text; "
            f'works: json_schema_extra={{"unit": "EUR"}}'
        )
    facts: dict[str, Any] = {"optional": optional, "description": info.description, "unit": unit}
    if "known" in extra and base is not str:
        raise ContractError(
            f"field {name!r}: a {_type_of(info)} cannot have known categories, only a str can; "
            f"works: leave them out"
        )
    if get_origin(base) is Literal:
        _require_limits(name, info, "Literal", ())
        return Field(name, "category", categories=get_args(base), **facts)
    if base is str and "known" in extra:
        _require_limits(name, info, "str with known categories", ())
        parts: tuple[Any, ...] = tuple(extra["known"]) if isinstance(extra["known"], list) else ()
        _require_categories(name, parts)
        return Field(name, "category", categories=parts, open=True, **facts)
    if base is str and "max_length" in limits(info):
        _require_limits(name, info, "str", ("max_length",))
        return Field(name, "text", longest=_longest(name, info), **facts)
    if base is bool:
        _require_limits(name, info, "bool", ())
        return Field(name, "boolean", **facts)
    if base in (int, float):
        _require_limits(name, info, base.__name__, ("ge", "le"))
        return Field(
            name, "integer" if base is int else "number", bounds=_bounds(name, info, base), **facts
        )
    if base in (date, datetime):
        _require_limits(name, info, base.__name__, ("ge", "le"))
        kind: Kind = "date" if base is date else "datetime"
        return Field(name, kind, bounds=_date_bounds(name, info, base), **facts)
    raise ContractError(
        f"field {name!r} has type {info.annotation}; works: float or int with ge and le, "
        f"date or datetime with ge and le, bool, Literal of texts, "
        'str with json_schema_extra={"known": [...]}, '
        "or str with max_length, for derive() or the runtime python"
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return (inner[0] if len(inner) == 1 else annotation), len(inner) < len(get_args(annotation))


def _type_of(info: FieldInfo) -> str:
    return getattr(info.annotation, "__name__", None) or str(info.annotation)


def _require_limits(name: str, info: FieldInfo, kind: str, allowed: tuple[str, ...]) -> None:
    if others := [limit for limit in limits(info) if limit not in allowed]:
        raise ContractError(
            f"field {name!r}: {', '.join(others)} does not limit a {kind}; "
            + (f"works: {' and '.join(allowed)}" if allowed else "works: leave it out")
        )


def _require_categories(name: str, values: tuple[Any, ...]) -> None:
    if (
        not values
        or not all(isinstance(value, str) for value in values)
        or len(set(values)) != len(values)
    ):
        raise ContractError(
            f"field {name!r}: categories must be different texts; "
            f"given {join_shortened(map(repr, values))}; "
            f'works: ["chip", "online"]. For a value that may be missing write `| None` with '
            f"default=None"
        )
    for word in values:
        composed = unicodedata.normalize("NFC", word)
        if not word or word != word.strip() or not word.translate(JOINERS).isprintable():
            raise ContractError(
                f"field {name!r}: the category {word!a} is empty, or has spaces around it or "
                f"invisible characters; works: write its visible characters alone, and strip the "
                f"others in load()"
            )
        if len(word) > MAX_TEXT_LENGTH:
            raise ContractError(
                f"field {name!r}: the category {word[:40]!r}... is longer than "
                f"{MAX_TEXT_LENGTH:,} characters; works: shorten it"
            )
        if word != composed:
            raise ContractError(
                f"field {name!r}: the category {word!a} is not in the Unicode form NFC; "
                f"works: {composed!a} here, "
                'and unicodedata.normalize("NFC", ...) where the rows are made'
            )
    if pair := find_look_alikes(values):
        raise ContractError(
            f"field {name!r}: the categories {pair[0]!a} and {pair[1]!a} look the same; "
            f"works: leave one of them out"
        )


def _longest(name: str, info: FieldInfo) -> int:
    longest: int = limits(info)["max_length"]
    if longest < 1 or isinstance(longest, bool):
        raise ContractError(
            f"field {name!r}: max_length={longest!r} allows no text; works: "
            f"Field(max_length=200, ...)"
        )
    return longest


def _bounds(name: str, info: FieldInfo, base: type) -> tuple[float, float]:
    low, high = (limits(info).get(limit) for limit in ("ge", "le"))
    if low is None or high is None or not (_is_bound(low) and _is_bound(high)) or low >= high:
        raise ContractError(
            f"field {name!r} has no finite bounds in order; given ge={low!r}, le={high!r}; "
            f"works: Field(ge=0, le=50_000)"
        )
    largest = EXACT_IN_FLOAT32 if base is int else MAX_NUMBER
    if max(abs(low), abs(high)) > largest:
        raise ContractError(
            f"field {name!r}: the model's float32 cannot hold the bounds; given {low} to {high}; "
            f"works: at most {largest:g}"
        )
    return (low, high)


def _date_bounds(name: str, info: FieldInfo, base: type) -> tuple[float, float]:
    """Return the bounds as numbers of a column; a datetime without a time zone is UTC."""
    given = [limits(info).get(limit) for limit in ("ge", "le")]
    if all(type(limit) is base for limit in given):
        try:
            low, high = map(number_of, given)
        except OverflowError:
            low = high = math.nan
        if low < high:
            return (low, high)
    call = base.__name__
    raise ContractError(
        f"field {name!r} needs ge and le, each a {call} and ge the earlier one; given "
        f"ge={given[0]!r}, le={given[1]!r}; works: "
        f"Field(ge={call}(1900, 1, 1), le={call}(2100, 12, 31))"
    )


def _is_bound(limit: Any) -> bool:
    return isinstance(limit, int | float) and not isinstance(limit, bool) and math.isfinite(limit)
