"""One field of a contract class, read by an allow-list of types, limits and words."""

import math
import types
import unicodedata
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .allowed import field_violation, limits
from .fields import EXACT_IN_FLOAT32, MAX_LENGTH, MAX_NUMBER, RESERVED, ContractError, Field
from .words import listed, look_alikes

JOINERS = dict.fromkeys(
    map(ord, "\u200c\u200d")
)  # invisible, and needed within words of Persian or Hindi


def read_field(name: str, info: FieldInfo) -> Field:
    """A field as the data check, the encoding and the pages read it.

    Raises ContractError for any other.
    """
    if name.casefold() in RESERVED:
        raise ContractError(
            f"field {name!r}: the name is taken, a request carries it beside the fields; "
            f"rename the field"
        )
    if not info.description:
        raise ContractError(f'field {name!r} says nothing of its meaning; add description="..."')
    base, optional = _without_none(info.annotation)
    if get_origin(base) is Literal:
        _demand_words(name, get_args(base))
    if optional and info.is_required():
        raise ContractError(
            f"field {name!r} may be None but has no default; write Field(default=None, ...)"
        )
    if not info.is_required() and info.get_default() is not None:
        raise ContractError(
            f"field {name!r}: default={info.get_default()!r} would be filled into a "
            f"request and never into a table; "
            "leave it out, or write `| None` and Field(default=None, ...) for a value that "
            "may be missing"
        )
    if not optional and not info.is_required() and info.default_factory is None:
        raise ContractError(
            f"field {name!r} has default=None and may not be None; write `{_type_of(info)} | None`"
        )
    if violation := field_violation(info):
        raise ContractError(f"field {name!r}: {violation}")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if not isinstance(unit := extra.get("unit", ""), str):
        raise ContractError(
            f"field {name!r}: unit={unit!r} is not a word; write for example "
            f'json_schema_extra={{"unit": "EUR"}}'
        )
    facts: dict[str, Any] = {"optional": optional, "description": info.description, "unit": unit}
    if "known" in extra and base is not str:
        raise ContractError(
            f"field {name!r}: known words belong to a str, not to {_type_of(info)}; leave them out"
        )
    if get_origin(base) is Literal:
        _demand_limits(name, info, "Literal", ())
        return Field(name, "category", categories=get_args(base), **facts)
    if base is str and "known" in extra:
        _demand_limits(name, info, "str with known words", ())
        parts: tuple[Any, ...] = tuple(extra["known"]) if isinstance(extra["known"], list) else ()
        _demand_words(name, parts)
        return Field(name, "category", categories=parts, open=True, **facts)
    if base is str and "max_length" in limits(info):
        _demand_limits(name, info, "str", ("max_length",))
        return Field(name, "text", longest=_longest(name, info), **facts)
    if base is bool:
        _demand_limits(name, info, "bool", ())
        return Field(name, "boolean", **facts)
    if base in (int, float):
        _demand_limits(name, info, base.__name__, ("ge", "le"))
        return Field(
            name, "integer" if base is int else "number", bounds=_bounds(name, info, base), **facts
        )
    raise ContractError(
        f"field {name!r} has type {info.annotation}; use float or int with ge and le, "
        f"bool, Literal of words, "
        'str with json_schema_extra={"known": [...]}, or str with max_length (runtime python only)'
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return (inner[0] if len(inner) == 1 else annotation), len(inner) < len(get_args(annotation))


def _type_of(info: FieldInfo) -> str:
    return getattr(info.annotation, "__name__", None) or str(info.annotation)


def _demand_limits(name: str, info: FieldInfo, kind: str, allowed: tuple[str, ...]) -> None:
    if others := [limit for limit in limits(info) if limit not in allowed]:
        raise ContractError(
            f"field {name!r}: {', '.join(others)} does not limit a {kind}; "
            + (f"use {' and '.join(allowed)}" if allowed else "leave it out")
        )


def _demand_words(name: str, values: tuple[Any, ...]) -> None:
    if (
        not values
        or not all(isinstance(value, str) for value in values)
        or len(set(values)) != len(values)
    ):
        raise ContractError(
            f'field {name!r}: categories must be different words, for example ["chip", '
            f'"online"]; got '
            f"{listed(map(repr, values))}. A value that may be missing is `| None` with "
            f"default=None"
        )
    for word in values:
        composed = unicodedata.normalize("NFC", word)
        if not word or word != word.strip() or not word.translate(JOINERS).isprintable():
            raise ContractError(
                f"field {name!r}: the category {word!a} is empty, or has blanks around it "
                f"or signs that nobody sees; "
                "write its visible letters alone, and strip the others in load()"
            )
        if len(word) > MAX_LENGTH:
            raise ContractError(
                f"field {name!r}: the category {word[:40]!r}... is longer than "
                f"{MAX_LENGTH:,} characters; shorten it"
            )
        if word != composed:
            raise ContractError(
                f"field {name!r}: the category {word!a} is not in Unicode's form NFC; "
                f"write {composed!a} "
                'here, and unicodedata.normalize("NFC", ...) where the rows are made'
            )
    if pair := look_alikes(values):
        raise ContractError(
            f"field {name!r}: the categories {pair[0]!a} and {pair[1]!a} look the same; "
            f"leave one of them out"
        )


def _longest(name: str, info: FieldInfo) -> int:
    longest: int = limits(info)["max_length"]
    if longest < 1 or isinstance(longest, bool):
        raise ContractError(
            f"field {name!r}: max_length={longest!r} leaves no text; write "
            f"Field(max_length=200, ...)"
        )
    return longest


def _bounds(name: str, info: FieldInfo, base: type) -> tuple[float, float]:
    low, high = (limits(info).get(limit) for limit in ("ge", "le"))
    if low is None or high is None or not (_is_bound(low) and _is_bound(high)) or low >= high:
        raise ContractError(
            f"field {name!r} needs finite bounds, for example Field(ge=0, le=50_000); got "
            f"ge={low!r}, le={high!r}"
        )
    largest = EXACT_IN_FLOAT32 if base is int else MAX_NUMBER
    if max(abs(low), abs(high)) > largest:
        raise ContractError(
            f"field {name!r}: bounds {low} to {high} do not fit the model's float32 (at "
            f"most {largest:g})"
        )
    return (low, high)


def _is_bound(limit: Any) -> bool:
    return isinstance(limit, int | float) and not isinstance(limit, bool) and math.isfinite(limit)
