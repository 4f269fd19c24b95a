"""The allow-list of what a contract class may hold.

Pydantic can do more to a request, but that never happens to a table.
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
# Without an alias this key has no effect.
FIELD_KEYS |= {"alias_priority"}
EXTRA_KEYS = {"known", "unit"}
LIMITS: dict[type, str] = {Ge: "ge", Le: "le", MaxLen: "max_length"}
FIELD_KEY_REMEDIES = dict.fromkeys(
    ("alias", "validation_alias", "serialization_alias"),
    "rename the field; requests and tables use one name",
)
FIELD_KEY_REMEDIES["default_factory"] = "a field is required, or may be None with default=None"


def class_violation(row: type[BaseModel], base: type[BaseModel]) -> str | None:
    """Return what the class, or a parent of it, does to a request beyond its fields.

    Returns None if it does nothing else. The text names the class and what works.
    """
    for parent in row.__mro__:
        if parent in base.__mro__:
            continue
        if not issubclass(parent, base):
            return (
                f"{row.__name__} inherits from {parent.__name__}; works: inherit from "
                f"{base.__name__} alone"
            )
        if parent.model_config != base.model_config:
            return (
                f"{parent.__name__} has a model_config of its own; works: leave it out, so that "
                f"every contract is strict"
            )
        if names := _decorated(parent):
            return (
                f"{parent.__name__} has validators of its own ({', '.join(names)}), which "
                f"the data check cannot run; works: use bounds and categories, and compute values "
                f"where the rows are made"
            )
        if names := sorted(_code_of(parent)):
            return (
                f"{parent.__name__} has code or attributes of its own ({', '.join(names)}), "
                f"which a table never runs; works: move them to another file, since a contract "
                f"holds fields alone"
            )
    return None


def field_violation(info: FieldInfo) -> str | None:
    """Return what a field does to a request beyond its type and limits, and what works.

    Returns None if it does nothing else.
    """
    bare = FieldInfo()
    for name in FieldInfo.__slots__:
        if (
            name in FIELD_KEYS
            or name.startswith("_")
            or (value := getattr(info, name)) == getattr(bare, name)
        ):
            continue
        remedy = FIELD_KEY_REMEDIES.get(name, "leave it out")
        return f"{name}={value!r} would apply to requests and never to a table; works: {remedy}"
    for limit in info.metadata:
        if type(limit) not in LIMITS:
            return f"{limit!r} is not checked on the data; works: use ge, le, Literal or max_length"
        if [type(other) for other in info.metadata].count(type(limit)) > 1:
            return f"{LIMITS[type(limit)]} is given twice; works: write it once"
    extra = info.json_schema_extra
    if extra is not None and not isinstance(extra, dict):
        return (
            f'json_schema_extra={extra!r} is not a dict; works: json_schema_extra={{"unit": "EUR"}}'
        )
    if others := sorted(set(extra or {}) - EXTRA_KEYS):
        return f"json_schema_extra has {', '.join(others)}; works: unit and, for a str, known"
    return None


def limits(info: FieldInfo) -> dict[str, Any]:
    """Return the limits of a field that `field_violation` allows, by pydantic's names."""
    return {LIMITS[type(limit)]: getattr(limit, LIMITS[type(limit)]) for limit in info.metadata}


def _decorated(row: type[BaseModel]) -> list[str]:
    """Return the names of validators, serializers and computed fields."""
    groups = row.__pydantic_decorators__
    return [name for group in dataclasses.fields(groups) for name in getattr(groups, group.name)]


def _code_of(row: type[BaseModel]) -> set[str]:
    """Return the names in the body of the class that are code or private.

    A ClassVar with a plain value is allowed.
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
