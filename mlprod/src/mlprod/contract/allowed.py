"""What a contract class may hold: an allow-list.

Whatever else pydantic does to a request, a table never sees.
"""

import dataclasses
from typing import Any

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

FIELD_KEYS = {
    "annotation",
    "default",
    "description",
    "examples",
    "json_schema_extra",
    "metadata",
    "title",
}
FIELD_KEYS |= {"alias_priority"}  # without an alias it does nothing
EXTRA_KEYS = {"known", "unit"}
LIMITS: dict[type, str] = {Ge: "ge", Le: "le", MaxLen: "max_length"}
REMEDIES = dict.fromkeys(
    ("alias", "validation_alias", "serialization_alias"),
    "rename the field; requests and tables use one name",
)
REMEDIES["default_factory"] = "a field is required, or may be None with default=None"


def class_violation(row: type[BaseModel], base: type[BaseModel]) -> str | None:
    """What the class, or one that it inherits from, does to a request beyond its fields; None when
    that is nothing.
    """
    for parent in row.__mro__:
        if parent in base.__mro__:
            continue
        if not issubclass(parent, base):
            return (
                f"{row.__name__} inherits from {parent.__name__}; a contract inherits from "
                f"{base.__name__} alone"
            )
        if parent.model_config != base.model_config:
            return (
                f"{parent.__name__} has a model_config of its own; leave it out, so that every "
                f"contract is strict"
            )
        if names := _decorated(parent):
            return (
                f"{parent.__name__} has validators of its own ({', '.join(names)}), which "
                f"the data check cannot run; "
                "use bounds and sets of words, and compute values where the rows are made"
            )
        if names := sorted(_code_of(parent)):
            return (
                f"{parent.__name__} has code or attributes of its own "
                f"({', '.join(names)}), which a table never runs; "
                "a contract holds fields alone. Write them into another file"
            )
    return None


def field_violation(info: FieldInfo) -> str | None:
    """What a field does to a request beyond its type and its limits, and what works; None when that
    is nothing.
    """
    bare = FieldInfo()
    for name in FieldInfo.__slots__:
        if (
            name in FIELD_KEYS
            or name.startswith("_")
            or (value := getattr(info, name)) == getattr(bare, name)
        ):
            continue
        remedy = REMEDIES.get(name, "leave it out")
        return f"{name}={value!r} would work on requests and never on a table; {remedy}"
    for limit in info.metadata:
        if type(limit) not in LIMITS:
            return f"{limit!r} is not checked on the data; use ge, le, Literal or max_length"
        if [type(other) for other in info.metadata].count(type(limit)) > 1:
            return f"{LIMITS[type(limit)]} is given twice; write it once"
    extra = info.json_schema_extra
    if extra is not None and not isinstance(extra, dict):
        return (
            f'json_schema_extra={extra!r} is not a dict; write json_schema_extra={{"unit": "EUR"}}'
        )
    if others := sorted(set(extra or {}) - EXTRA_KEYS):
        return f"json_schema_extra has {', '.join(others)}; it may hold unit and, for a str, known"
    return None


def limits(info: FieldInfo) -> dict[str, Any]:
    """The limits of a field that `field_violation` allows, by pydantic's names."""
    return {LIMITS[type(limit)]: getattr(limit, LIMITS[type(limit)]) for limit in info.metadata}


def _decorated(row: type[BaseModel]) -> list[str]:
    """Names of validators, serializers and computed fields."""
    groups = row.__pydantic_decorators__
    return [name for group in dataclasses.fields(groups) for name in getattr(groups, group.name)]


def _code_of(row: type[BaseModel]) -> set[str]:
    """Names in the body of the class that are code or private.

    A ClassVar that holds a plain value does no harm.
    """
    usual = vars(type("Empty", (BaseModel,), {"__module__": __name__}))
    code = {
        name
        for name, value in vars(row).items()
        if name not in usual
        and name not in row.model_fields
        and not name.startswith("__annotat")
        and (callable(value) or hasattr(value, "__get__"))
    }
    return code | set(row.__private_attributes__)
