"""Governance files: YAML read into typed models, with errors that name file and key."""

import functools
import hashlib
import re
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

LARGEST = 60_000  # bytes; these files are written by people, and are read in a second
LONGEST = 40  # signs of a number
MOST = 20  # errors that are told at once


class StrictModel(BaseModel):
    """Base of what governance files hold: unknown keys are errors, and so are figures without an
    end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=StrictModel)


class GovernanceError(Exception):
    """A governance file cannot be used; the message says where and what works."""


class _Strict(yaml.SafeLoader):
    """Safe YAML without aliases, tags, endless numbers or keys said twice; only true and false are
    booleans, so `on` stays a word.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the parent's table, less YAML 1.1's on, off, yes and no
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:bool"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed here; write the value out")
        if tag := getattr(event, "tag", None):
            raise yaml.YAMLError(f"tags ({tag}) are not allowed here; write the value alone")
        node = super().compose_node(parent, index)
        if node and node.tag.endswith((":int", ":float")) and len(node.value) > LONGEST:
            raise yaml.YAMLError(f"a number of {len(node.value):,} signs; {LONGEST} at most")
        if isinstance(node, yaml.ScalarNode):
            node.value.encode()  # half of a pair of surrogates is no text
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        places: dict[str, list[int]] = {}
        for key, _ in node.value:
            places.setdefault(str(self.construct_object(key, deep=True)), []).append(
                key.start_mark.line + 1
            )
        if twice := next((key for key, lines in places.items() if len(lines) > 1), None):
            raise yaml.YAMLError(
                f"the key {twice!r} is said twice, on lines {places[twice][:5]}; keep one of them"
            )
        return super().construct_mapping(node, deep)


def read(path: Path, model: type[Model], example: str) -> Model:
    """The file at `path` as `model`. Raises GovernanceError; `example` is shown as what works."""
    if not path.is_file():
        raise GovernanceError(f"{path}: no such file. What works:\n{example}")
    if path.stat().st_size > LARGEST:
        raise GovernanceError(
            f"{path}: {path.stat().st_size:,} bytes; a governance file has at most {LARGEST:,}"
        )
    try:
        return cast(
            Model, _parse(path.read_text(encoding="utf-8"), model)
        )  # the cache forgets which model
    except ValidationError as error:
        errors = error.errors(include_url=False)
        result = "\n".join(
            f"  {_key(item['loc'])}: {item['msg']}; given: {item['input']!r:.100}"
            for item in errors[:MOST]
        )
        more = f"\n  and {len(errors) - MOST:,} more" if len(errors) > MOST else ""
        raise GovernanceError(f"{path}:\n{result}{more}\nWhat works:\n{example}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GovernanceError(
            f"{path}: not readable as YAML: {error}\nWhat works:\n{example}"
        ) from error


@functools.lru_cache(maxsize=64)
def _parse(text: str, model: type[StrictModel]) -> StrictModel:
    """The same text is parsed once in a command, however many of its steps read the file; models
    are frozen.
    """
    return model.model_validate(yaml.load(text, Loader=_Strict) or {})  # noqa: S506 - a SafeLoader


def digest(record: BaseModel) -> str:
    """sha256 of what a file says; its comments and layout do not count."""
    return hashlib.sha256(record.model_dump_json().encode()).hexdigest()


def _key(location: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(
            "."
        )
        or "the file"
    )


_Strict.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])
