"""Loader of the governance files: YAML into typed models, with errors that name file and key."""

import functools
import hashlib
import re
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

# People write these files, and reading one takes at most a second.
MAX_BYTES = 60_000
# Length of a number.
MAX_DIGITS = 40
# Errors in one message.
MAX_ERRORS = 20


class StrictModel(BaseModel):
    """Base class of the models: unknown keys, infinite numbers and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=StrictModel)


class GovernanceError(Exception):
    """A governance file cannot be used; the message names the file, the key and what works."""


class _Strict(yaml.SafeLoader):
    """Safe YAML without aliases, tags, very long numbers and duplicate keys.

    Only true and false are booleans, so `on` stays a string.
    """

    # The table of the parent, without the booleans of YAML 1.1: on, off, yes and no.
    yaml_implicit_resolvers = {  # noqa: RUF012 - a table of the parent's
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:bool"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed here; write the value itself")
        if tag := getattr(event, "tag", None):
            raise yaml.YAMLError(f"tags ({tag}) are not allowed here; write the value without one")
        node = super().compose_node(parent, index)
        if node and node.tag.endswith((":int", ":float")) and len(node.value) > MAX_DIGITS:
            raise yaml.YAMLError(
                f"a number has {len(node.value):,} characters; at most {MAX_DIGITS} work"
            )
        if isinstance(node, yaml.ScalarNode):
            # It fails for half of a surrogate pair, which cannot be written again.
            node.value.encode()
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        places: dict[str, list[int]] = {}
        for key, _ in node.value:
            places.setdefault(str(self.construct_object(key, deep=True)), []).append(
                key.start_mark.line + 1
            )
        if duplicate := next((key for key, lines in places.items() if len(lines) > 1), None):
            raise yaml.YAMLError(
                f"the key {duplicate!r} appears twice, on lines {places[duplicate][:5]}; keep one "
                f"of them"
            )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, model: type[Model], example: str) -> Model:
    """Read the file at `path` as `model`.

    Raises GovernanceError, whose message shows `example` as what works.
    """
    if not path.is_file():
        raise GovernanceError(f"{path}: no such file. What works:\n{example}")
    if path.stat().st_size > MAX_BYTES:
        raise GovernanceError(
            f"{path}: the file has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} work"
        )
    try:
        # The type of the cached function does not depend on the model.
        return cast(Model, _parse(path.read_text(encoding="utf-8"), model))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        result = "\n".join(
            f"  {_key(item['loc'])}: {item['msg']}; given: {item['input']!r:.100}"
            for item in errors[:MAX_ERRORS]
        )
        more = f"\n  and {len(errors) - MAX_ERRORS:,} more" if len(errors) > MAX_ERRORS else ""
        raise GovernanceError(f"{path}:\n{result}{more}\nWhat works:\n{example}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GovernanceError(
            f"{path}: not readable as YAML: {error}\nWhat works:\n{example}"
        ) from error


@functools.lru_cache(maxsize=64)
def _parse(text: str, model: type[StrictModel]) -> StrictModel:
    """Parse a text once in a command, even if several steps read the file. Models are frozen."""
    return model.model_validate(yaml.load(text, Loader=_Strict) or {})  # noqa: S506 - a SafeLoader


def content_digest(record: BaseModel) -> str:
    """SHA-256 of the content of a file, without its comments and layout."""
    return hashlib.sha256(record.model_dump_json().encode()).hexdigest()


def _key(location: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(
            "."
        )
        or "the file"
    )


_Strict.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])
