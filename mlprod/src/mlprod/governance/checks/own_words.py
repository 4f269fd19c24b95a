"""Check that nothing is left of the examples."""

from collections.abc import Iterator
from typing import Any

from ..stage_examples import EXAMPLE
from .context import Check, CheckContext


def own_words(view: CheckContext) -> Iterator[str]:
    """What still stands there as the examples say it."""
    org = view.org
    for name in ("ownership", "problem", "risk", "change_plan"):
        for key, message in _texts("", getattr(org, name).model_dump()):
            if message.startswith(EXAMPLE):
                yield f"governance/{name}.yaml: {key} is still the example's: {message!r:.60}"


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(f"{key}.{name}".lstrip("."), item)
    elif isinstance(value, tuple | list):
        for position, item in enumerate(value):
            yield from _texts(f"{key}[{position}]", item)


CHECKS: dict[str, Check] = {"said-in-own-words": own_words}
