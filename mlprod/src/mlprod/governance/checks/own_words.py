"""Check that no text of the examples is left."""

from collections.abc import Iterator
from typing import Any

from ..stage_examples import EXAMPLE_PREFIX
from .context import Check, CheckContext


def examples_left(context: CheckContext) -> Iterator[str]:
    """Values that are still those of the examples."""
    org = context.org
    for name in ("ownership", "problem", "risk", "change_plan"):
        for key, text in _texts("", getattr(org, name).model_dump()):
            if text.startswith(EXAMPLE_PREFIX):
                yield (
                    f"governance/{name}.yaml: {key} is still the example's: {text!r:.60}; replace "
                    f"it by your own"
                )


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(f"{key}.{name}".lstrip("."), item)
    elif isinstance(value, tuple | list):
        for position, item in enumerate(value):
            yield from _texts(f"{key}[{position}]", item)


CHECKS: dict[str, Check] = {"said-in-own-words": examples_left}
