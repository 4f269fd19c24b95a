"""Governance files: YAML read into typed models, with errors that name file and key."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

LARGEST = 200_000  # bytes; these files are written by people


class Record(BaseModel):
    """Base of what governance files hold: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Record)


class GovernanceError(Exception):
    """A governance file cannot be used; the message says where and what works."""


class _Strict(yaml.SafeLoader):
    """Safe YAML without aliases or keys said twice; only true and false are booleans, so `on` stays a word."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the parent's table, less YAML 1.1's on, off, yes and no
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:bool"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed here; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.YAMLError(f"the key {twice[0]!r} is said twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read(path: Path, model: type[Model], example: str) -> Model:
    """The file at `path` as `model`. Raises GovernanceError; `example` is shown as what works."""
    if not path.is_file():
        raise GovernanceError(f"{path}: no such file. What works:\n{example}")
    if path.stat().st_size > LARGEST:
        raise GovernanceError(f"{path}: {path.stat().st_size:,} bytes; a governance file has at most {LARGEST:,}")
    try:
        return model.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict) or {})  # noqa: S506 - is safe
    except ValidationError as error:
        found = "\n".join(
            f"  {_key(item['loc'])}: {item['msg']}; given: {item['input']!r:.100}" for item in error.errors()
        )
        raise GovernanceError(f"{path}:\n{found}\nWhat works:\n{example}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GovernanceError(f"{path}: not readable as YAML: {error}") from error


def _key(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


_Strict.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])
