"""The row of ../rules.py as a contract."""

from typing import Any, Literal

from mlprod import Contract
from pydantic import Field, create_model

from .rules import CATEGORIES, NUMBERS, OPTIONAL


def _field(name: str, kind: Any, **bounds: float) -> Any:
    if name in OPTIONAL:
        return kind | None, Field(default=None, description="Made up", **bounds)
    return kind, Field(description="Made up", **bounds)


Row = create_model(
    "Row",
    __base__=Contract,
    __module__=__name__,
    **{name: _field(name, float, ge=low, le=high) for name, (low, high) in NUMBERS.items()},
    **{name: _field(name, Literal[tuple(parts)]) for name, parts in CATEGORIES.items()},
)
ID, LABEL, GROUP, EVENT_TIME = "id", "label", None, None
SLICES: tuple[str, ...] = ()
PII: tuple[str, ...] = ()
